"""One clip of an HDF5 file: where it is, and what its numbers say, as lines of text."""

import difflib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import h5py
import numpy as np

from pipeline.data.crops import CROP_COUNTS
from pipeline.errors import PipelineError
from pipeline.report.layout import dataset_row, evenly, facts_lines, table_lines
from pipeline.storage import decoding
from pipeline.storage.keys import id_of, key_of
from pipeline.storage.layout import BLOCK


def kind_of(file: h5py.File) -> str:
    """One of store.ABOUT, such as frames, flow or scores."""
    return file.attrs["format"].removeprefix("pipeline/")


def clip_ids(file: h5py.File) -> list[str]:
    """Ids of all clips of a file, in its order."""
    if kind_of(file) == "scores":
        return list(file["clips"].asstr())
    return [
        id_of(f"{key}/{name}")
        for key, group in file.items()
        if isinstance(group, h5py.Group)
        for name in group
    ]


# Clips


@dataclass
class Clip:
    """A clip of an open file: its id, and its place among the file's clips."""

    file: h5py.File
    id: str
    place: int = 0

    @cached_property
    def kind(self) -> str:
        return kind_of(self.file)

    @cached_property
    def settings(self) -> dict:
        return json.loads(self.file.attrs["settings"])

    @cached_property
    def data(self) -> h5py.Dataset:
        """The clip's own dataset; in a file of scores, which keeps clips as rows, the logits of all, or their scores."""
        if self.kind != "scores":
            return self.file[key_of(self.id)]
        return self.file["logits" if "logits" in self.file else "scores"]

    @cached_property
    def classes(self) -> list[str]:
        """Names of all classes in the order of their labels; groups and scores know them."""
        return list(
            self.file["classes"].asstr() if self.kind == "scores" else self.file.attrs["classes"]
        )

    @cached_property
    def label(self) -> int:
        """The true class, from 0; groups and scores know it."""
        return int(
            self.file["labels"][self.place] if self.kind == "scores" else self.data.attrs["label"]
        )

    @cached_property
    def class_name(self) -> str:
        return (
            self.classes[self.label] if self.kind in ("groups", "scores") else self.id.split("/")[0]
        )


def find_clip(file: h5py.File, wanted: str | None = None) -> Clip:
    """The clip with an id, an HDF5 path, or a bare name; the file's first when none is wanted.

    Raises PipelineError that names the nearest clips, or all that bear the name.
    """
    ids = clip_ids(file)
    if not ids:
        raise PipelineError(f"{file.filename}: there are no clips in it")
    if wanted is None:
        return Clip(file, ids[0])
    found = [place for place, clip in enumerate(ids) if wanted.strip("/") in (clip, key_of(clip))]
    found = found or [place for place, clip in enumerate(ids) if wanted == clip.split("/")[-1]]
    if len(found) == 1:
        return Clip(file, ids[found[0]], found[0])
    if found:
        raise PipelineError(
            f"{file.filename}: {len(found)} clips are named '{wanted}', say which: "
            + ", ".join(ids[place] for place in found)
        )
    spelled = {(clip if "/" in wanted else clip.split("/")[-1]).casefold(): clip for clip in ids}
    near = [
        spelled[name]
        for name in difflib.get_close_matches(wanted.casefold(), spelled, n=3, cutoff=0.5)
    ]
    raise PipelineError(
        f"{file.filename}: there is no clip '{wanted}' in it; "
        + (f"the nearest: {', '.join(near)}" if near else f"its first is {ids[0]}")
    )


def describe_clip(clip: Clip, width: int = 80) -> list[str]:
    """Lines about one clip: its attributes, and what its numbers say."""
    facts = {"file": clip.file.filename, "class": clip.class_name}
    if clip.kind == "scores":
        facts["source"] = clip.file.attrs["source"]
    else:
        facts |= {key: value for key, value in clip.data.attrs.items() if key != "clip"}
        facts["data"] = "{}, {} on disk, {} in memory, ratio {}".format(
            *dataset_row("", clip.data)[1:5]
        )
    more, lines = TEXTS[clip.kind](clip, width)
    return [clip.id, *facts_lines(facts | more, width, "  "), *([""] if lines else []), *lines]


def frames_text(clip: Clip, width: int) -> tuple[dict, list[str]]:
    """Facts of a clip of frames, as of every kind below: 'key  value' lines, and lines to follow them."""
    total, low, high = np.zeros(3), 255, 0
    for block in _blocks(clip.data):
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
    cut = (counts.sum() - counts[1:255, 1:255].sum()) / counts.sum()
    count, _, height, across = clip.data.shape
    return {
        "fields": f"{count} of {across} x {height} pixels",
        "bound": f"{bound:g} px in x and in y; one step is {2 * bound / 255:.3f} px",
        "length": f"mean {(share * np.hypot(x, y)).sum():.2f} px, max {longest(counts, bound, 1):.2f} px; "
        f"99% are within {longest(counts, bound, 0.99):.2f} px",
        "drift": f"{abs(right):.2f} px {'right' if right >= 0 else 'left'}, "
        f"{abs(down):.2f} px {'down' if down >= 0 else 'up'} a field, over all pixels",
        "clipped": f"{cut:.2%} of displacements are at the bound",
    }, []


def displacement(codes: np.ndarray, bound: float) -> np.ndarray:
    """Bytes of flow to pixels, float32; the byte for no motion gives 0, not the half step by which it is off."""
    from pipeline.flow.levels import ZERO, dequantise

    return np.where(codes == ZERO, np.float32(0), dequantise(codes, bound))


def code_counts(fields: h5py.Dataset) -> np.ndarray:
    """How often each pair of bytes (x, y) is in a clip, (256, 256): exact statistics without the clip in memory."""
    counts = np.zeros(256 * 256, np.int64)
    for block in _blocks(fields):
        counts += np.bincount(
            (block[:, 0].astype(np.int32) * 256 + block[:, 1]).ravel(), minlength=counts.size
        )
    return counts.reshape(256, 256)


def longest(counts: np.ndarray, bound: float, share: float) -> float:
    """The length in pixels that a `share` of the displacements do not exceed; `counts` as of `code_counts`."""
    lengths = np.hypot(*displacement(np.indices(counts.shape), bound)).ravel()
    order = np.argsort(lengths)
    below = np.cumsum(counts.ravel()[order])
    return float(lengths[order[np.searchsorted(below, share * below[-1])]])


def form(ranked: np.ndarray, label: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Groups (positions, size) of (positions, depth) rankings, as pipeline.groups forms them, and where by force."""
    group = ranked[:, :size].astype(int)
    forced = ~(group == label).any(axis=1)
    group[forced, -1] = label
    return group, forced


def groups_text(clip: Clip, width: int) -> tuple[dict, list[str]]:
    ranked, stride, sizes = (
        clip.data[...],
        clip.settings["groups"]["stride"],
        clip.settings["granularities"],
    )
    formed = {size: form(ranked, clip.label, size) for size in sizes}
    facts = {
        "positions": f"{len(ranked)}, {stride} apart",
        "forced in": ", ".join(
            f"group of {size} at {forced.mean():.0%}" for size, (_, forced) in formed.items()
        )
        + " of positions",
    }
    lines = ["true class: *ranked by the teacher* or [forced in]"]
    for place in evenly(len(ranked), 4):
        lines.append(f"position {place * stride}")
        for size, (group, forced) in formed.items():
            mark = "[{}]" if forced[place] else "*{}*"
            names = [
                mark.format(clip.classes[c]) if c == clip.label else clip.classes[c]
                for c in group[place]
            ]
            lines += facts_lines({f"group of {size}": ", ".join(names)}, width, "  ")
    return facts, lines


def scores_text(clip: Clip, width: int) -> tuple[dict, list[str]]:
    values, order, rank = ranking(clip)
    rows = [("rank", "class", measure(clip), "")]
    for place in sorted({*range(min(5, len(order))), rank}):
        number = order[place]
        rows.append(
            (
                str(place + 1),
                clip.classes[number],
                f"{values[number]:.4f}",
                "<- the true class" if place == rank else "",
            )
        )
    facts = {"truth": f"rank {rank + 1} of {len(order)}"}
    if clip.data.ndim == 3:
        crops = crops_of(clip)
        facts["instants"] = f"{clip.data.shape[1] // crops}" + (
            f" in each of {crops} crops" if crops > 1 else ""
        )
    return facts, table_lines(rows, "><>", width)


def crops_of(clip: Clip) -> int:
    """The crops that a clip was scored in; files from before there were several do not say."""
    return CROP_COUNTS[clip.settings["scores"].get("crops", "centre")]


def measure(clip: Clip) -> str:
    """What the scores of a file are."""
    if clip.data.ndim == 2:
        return "decision value"
    return "mean probability" if clip.settings["scores"]["space"] == "softmax" else "mean logit"


def ranking(clip: Clip) -> tuple[np.ndarray, np.ndarray, int]:
    """A clip's scores by class, the classes best first (equal ones by number), and the true one's place among them."""
    values = clip.file["scores"][clip.place].astype(float)
    order = np.argsort(-values, kind="stable")
    return values, order, int(np.flatnonzero(order == clip.label)[0])


def samples_text(clip: Clip, width: int) -> tuple[dict, list[str]]:
    rows = clip.data[...]
    if not len(rows):
        return {"trajectories": "none"}, []
    scales, counts = np.unique(rows[:, 6], return_counts=True)
    return {
        "trajectories": len(rows),
        "path": f"mean {rows[:, 5].mean():.1f} px, max {rows[:, 5].max():.1f} px",
        "scales": ", ".join(
            f"{scale:.2f}: {count}" for scale, count in zip(scales, counts, strict=True)
        ),
    }, []


def fisher_text(clip: Clip, width: int) -> tuple[dict, list[str]]:
    vector = clip.data[...]
    return {
        "values": len(vector),
        "norm": f"{np.linalg.norm(vector):.3f}"
        + ("" if vector.any() else ", the clip has no trajectories"),
    }, []


TEXTS = {
    "frames": frames_text,
    "flow": flow_text,
    "groups": groups_text,
    "scores": scores_text,
    "samples": samples_text,
    "fisher": fisher_text,
}


# What they share


def _blocks(data: h5py.Dataset) -> Iterator[np.ndarray]:
    """A clip's frames or fields, some at a time."""
    for start in range(0, len(data), BLOCK):
        yield decoding.read(data, range(start, min(start + BLOCK, len(data))))
