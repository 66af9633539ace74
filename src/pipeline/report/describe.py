"""What the numbers of one clip say, as lines of text."""

import numpy as np

from pipeline.report.clip import Clip
from pipeline.report.encodings import NAMES, half_of_energy, parts
from pipeline.report.layout import dataset_row, evenly_spaced, facts_lines, table_lines
from pipeline.report.measures import (
    ADD,
    NO_CLASS,
    REPLACE,
    blocks,
    code_counts,
    crop_count,
    displacement,
    form_group,
    length_quantile,
    missing_rule,
    rank_classes,
    score_meaning,
)
from pipeline.report.trajectories import trajectory_facts
from pipeline.storage import attributes

# What is done with the true class where the teacher has not ranked it among a group's.
MISSING = {REPLACE: "it takes the last one's place", ADD: "the group has one class more"}


def describe_clip(clip: Clip, width: int = 80) -> list[str]:
    """Lines about one clip: its attributes, and what its numbers say."""
    facts = {"file": clip.file.filename, "class": clip.class_name}
    if clip.kind == "scores":
        facts["source"] = attributes.read(clip.file)["source"]
    else:
        facts |= {key: value for key, value in attributes.read(clip.data).items() if key != "clip"}
        facts["data"] = "{}, {} on disk, {} in memory, ratio {}".format(
            *dataset_row("", clip.data)[1:5]
        )
    more, lines = TEXTS[clip.kind](clip, width)
    return [clip.id, *facts_lines(facts | more, width, "  "), *([""] if lines else []), *lines]


# A function for each kind of file. Each returns facts, for lines 'key  value', and the lines that
# follow them.


def frames_text(clip: Clip, width: int) -> tuple[dict, list[str]]:
    total, low, high = np.zeros(3), 255, 0
    for block in blocks(clip.data):  # (n, H, W, 3)
        total += block.sum(axis=(0, 1, 2), dtype=np.int64)
        low, high = min(low, block.min()), max(high, block.max())
    red, green, blue = means = total / (clip.data.size / 3)
    count, height, across, _ = clip.data.shape
    return {
        "frames": f"{count} of {across} x {height} pixels",
        "values": f"mean {means.mean():.1f} (red {red:.1f}, green {green:.1f}, blue {blue:.1f}), "
        f"min {low}, max {high}",
    }, []


def flow_text(clip: Clip, width: int) -> tuple[dict, list[str]]:
    bound, counts = clip.settings["flow"]["bound"], code_counts(clip.data)
    share, (x, y) = counts / counts.sum(), displacement(np.indices((256, 256)), bound)
    right, down = (share * x).sum(), (share * y).sum()
    # The lowest and the highest byte also stand for all displacements beyond the bound.
    clipped = (counts.sum() - counts[1:255, 1:255].sum()) / counts.sum()
    longest, almost_all = (length_quantile(counts, bound, part) for part in (1, 0.99))
    count, _, height, across = clip.data.shape
    return {
        "fields": f"{count} of {across} x {height} pixels",
        "bound": f"{bound:g} px in x and in y; one step is {2 * bound / 255:.3f} px",
        "length": f"mean {(share * np.hypot(x, y)).sum():.2f} px, max {longest:.2f} px; "
        f"99% are within {almost_all:.2f} px",
        "drift": f"{abs(right):.2f} px {'right' if right >= 0 else 'left'}, "
        f"{abs(down):.2f} px {'down' if down >= 0 else 'up'} a field, over all pixels",
        "clipped": f"{clipped:.2%} of displacements are at the bound",
    }, []


def groups_text(clip: Clip, width: int) -> tuple[dict, list[str]]:
    ranked = clip.data[...]  # (positions, depth)
    stride, sizes = clip.settings["groups"]["stride"], clip.settings["granularities"]
    missing, is_said = missing_rule(clip)
    word = "added" if missing == ADD else "forced in"
    formed = {size: form_group(ranked, clip.label, size, missing) for size in sizes}
    facts = {
        "positions": f"{len(ranked)}, {stride} apart",
        word: ", ".join(
            f"group of {size} at {forced.mean():.0%}" for size, (_, forced) in formed.items()
        )
        + " of positions",
        "missing": f"{missing}: {MISSING[missing]}"
        + ("" if is_said else "; the default, as no network beside says otherwise"),
    }
    lines = [f"true class: *ranked by the teacher* or [{word}]"]
    for position in evenly_spaced(len(ranked), 4):
        lines.append(f"position {position * stride}")
        for size, (group, forced) in formed.items():
            mark = "[{}]" if forced[position] else "*{}*"
            names = [
                mark.format(clip.classes[label]) if label == clip.label else clip.classes[label]
                for label in group[position]
                if label != NO_CLASS
            ]
            lines += facts_lines({f"group of {size}": ", ".join(names)}, width, "  ")
    return facts, lines


def scores_text(clip: Clip, width: int) -> tuple[dict, list[str]]:
    values, order, true_rank = rank_classes(clip)
    rows = [("rank", "class", score_meaning(clip), "")]
    for rank in sorted({*range(min(5, len(order))), true_rank}):
        label = order[rank]
        note = "<- the true class" if rank == true_rank else ""
        rows.append((str(rank + 1), clip.classes[label], f"{values[label]:.4f}", note))
    facts = {"truth": f"rank {true_rank + 1} of {len(order)}"}
    # Scores by trajectories have no instants.
    if clip.data.ndim == 3:
        crops = crop_count(clip)
        facts["instants"] = f"{clip.data.shape[1] // crops}" + (
            f" in each of {crops} crops" if crops > 1 else ""
        )
    return facts, table_lines(rows, "><>", width)


def samples_text(clip: Clip, width: int) -> tuple[dict, list[str]]:
    return trajectory_facts(clip.data), []


def fisher_text(clip: Clip, width: int) -> tuple[dict, list[str]]:
    vector = clip.data[...]
    facts = {
        "values": len(vector),
        "norm": f"{np.linalg.norm(vector):.3f}"
        + ("" if vector.any() else ", the clip has no trajectories"),
    }
    if vector.any():
        facts["sparsity"] = f"half of the squared norm lies in {half_of_energy(vector):.1%} of them"
        shares = {
            NAMES[name]: (values**2).sum() / (vector**2).sum()
            for name, values in parts(vector).items()
        }
        of_parts = ", ".join(f"{name} {share:.0%}" for name, share in shares.items())
        facts |= {"shares": of_parts} if shares else {}
    return facts, []


def features_text(clip: Clip, width: int) -> tuple[dict, list[str]]:
    values = clip.data[...]  # (instants, n)
    return {
        "instants": len(values),
        "values": f"{values.shape[1]} each; mean {values.mean():.3g}, deviation "
        f"{values.std():.3g}, {(values == 0).mean():.0%} are 0",
    }, []


TEXTS = {
    "frames": frames_text,
    "flow": flow_text,
    "groups": groups_text,
    "scores": scores_text,
    "samples": samples_text,
    "fisher": fisher_text,
    "features": features_text,
}
