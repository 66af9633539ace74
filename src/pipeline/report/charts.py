"""Charts of a clip: the teacher's groups over positions, and scores as bars and over instants."""

from collections import Counter

import numpy as np
from scipy.special import softmax

from pipeline.report import fonts
from pipeline.report.beside import frame_count
from pipeline.report.canvas import titled_figure
from pipeline.report.clip import Clip
from pipeline.report.measures import (
    ADD,
    REPLACE,
    crop_count,
    form_group,
    missing_rule,
    rank_classes,
    score_meaning,
    scored_frames,
)
from pipeline.storage import attributes

# Classes in a chart of scores, besides the true one.
BARS = 10
# Up to so many positions the true class gets frames; of more, they would hide it.
MOST_FRAMED = 150
# Colours of the true class, of any other, and of the true class where it was forced into a group.
TRUE, OTHER, FORCED = "tab:orange", "tab:blue", "#333333"
# What is done with the true class where the teacher has not ranked it, by `groups.missing`.
FORCED_WORDS = {REPLACE: "forced in", ADD: "added"}
FORCED_IN = {REPLACE: "forced in for the last", ADD: "added as one more"}
# Indices in matplotlib's "tab20", its two oranges (2 and 3) left out: strong colours first.
PALETTE = (0, 4, 8, 10, 14, 16, 18, 1, 5, 9, 11, 13, 15, 17, 19, 6, 7, 12)


def draw_groups(clip: Clip):
    """A figure of the teacher's ranking at every position, a colour per class.

    Below it, a strip shows where a group had to take the true class.
    """
    ranked = clip.data[...].T.astype(int)  # (depth, positions)
    sizes, (missing, _) = clip.settings["granularities"], missing_rule(clip)
    depth, count = ranked.shape
    # (sizes, positions)
    forced = np.stack([form_group(ranked.T, clip.label, size)[1] for size in sizes])
    others = [label for label, _ in Counter(ranked[ranked != clip.label].tolist()).most_common()]
    colours = _class_colours(clip, others)
    heights = [0.5 * depth, 0.35 * len(sizes)]
    figure = titled_figure(clip, 12, 2.4 + 0.5 * depth + 0.35 * len(sizes), f"{count} positions")
    chart, strip = figure.subplots(2, 1, sharex=True, height_ratios=heights)
    _draw_rankings(clip, chart, ranked, colours)
    _draw_forced(clip, strip, forced, sizes, missing)
    _add_class_legend(clip, figure, others, colours, missing)
    return figure


def _class_colours(clip: Clip, others: list[int]) -> np.ndarray:
    """RGB (classes, 3): the true class has its own, the first of `others` the palette's."""
    from matplotlib import colormaps
    from matplotlib.colors import to_rgb

    # Classes beyond the palette are grey.
    colours = np.full((len(clip.classes), 3), 0.9)
    for label, index in zip(others, PALETTE, strict=False):
        colours[label] = colormaps["tab20"](index)[:3]
    colours[clip.label] = to_rgb(TRUE)
    return colours


def _edges(clip: Clip, count: int) -> tuple[float, float]:
    """Left and right edge of `count` positions; each is as wide as the stride, and centred."""
    stride = clip.settings["groups"]["stride"]
    return -stride / 2, (count - 0.5) * stride


def _draw_rankings(clip: Clip, axes, ranked: np.ndarray, colours: np.ndarray) -> None:
    """The classes of `ranked` (depth, positions), the true one framed."""
    from matplotlib.patches import Rectangle

    depth, count = ranked.shape
    edges, stride = _edges(clip, count), clip.settings["groups"]["stride"]
    axes.imshow(
        colours[ranked], aspect="auto", interpolation="nearest", extent=(*edges, depth + 0.5, 0.5)
    )
    for rank, is_true in enumerate(ranked == clip.label if count <= MOST_FRAMED else (), start=1):
        # Where runs of the true class at this rank start and end.
        changes = np.flatnonzero(np.diff(is_true, prepend=False, append=False))
        for start, end in changes.reshape(-1, 2):
            corner, length = ((start - 0.5) * stride, rank - 0.5), (end - start) * stride
            axes.add_patch(Rectangle(corner, length, 1, fill=False, lw=1.5, zorder=3))
    axes.set(
        ylabel="teacher's rank", yticks=range(1, depth + 1), title="the teacher's likeliest classes"
    )
    axes.hlines(np.arange(1.5, depth), *edges, color="white", lw=1)


def _draw_forced(clip: Clip, axes, forced: np.ndarray, sizes: list[int], missing: str) -> None:
    """Where the true class is `forced` (sizes, positions) into the group of each size, in the last
    one's place or as one class more.
    """
    from matplotlib.colors import to_rgb

    edges, how = _edges(clip, forced.shape[1]), FORCED_IN[missing]
    axes.imshow(
        np.array([to_rgb(TRUE), to_rgb(FORCED)])[forced.astype(int)],
        aspect="auto",
        interpolation="nearest",
        extent=(*edges, len(sizes) - 0.5, -0.5),
    )
    axes.hlines(np.arange(0.5, len(sizes) - 1), *edges, color="white", lw=1)
    axes.set(
        xlabel="position (first frame or field)",
        yticks=range(len(sizes)),
        title=f"the true class in the groups: ranked there by the teacher, or {how} (dark)",
    )
    shares = zip(sizes, forced.mean(axis=1), strict=True)
    word = how.split()[0]
    axes.set_yticklabels([f"group of {size}, {share:.0%} {word}" for size, share in shares])


def _add_class_legend(
    clip: Clip, figure, others: list[int], colours: np.ndarray, missing: str
) -> None:
    """The names of the true class and of `others`, as far as the palette goes."""
    from matplotlib.patches import Patch

    handles = [
        Patch(facecolor=TRUE, edgecolor="black", lw=1.5, label=f"{_name(clip, clip.label)} (true)")
    ]
    handles += [
        Patch(color=colours[label], label=_name(clip, label)) for label in others[: len(PALETTE)]
    ]
    if len(others) > len(PALETTE):
        handles.append(Patch(color="0.9", label=f"{len(others) - len(PALETTE)} more"))
    handles.append(Patch(color=FORCED, label=f"true class {FORCED_WORDS[missing]}"))
    figure.legend(handles=handles, loc="outside right center")


def _name(clip: Clip, label: int) -> str:
    """The name of a class as a picture can show it."""
    return fonts.label(clip.classes[label], label)


def draw_scores(clip: Clip):
    """A figure of the best classes' scores as bars, and of their probabilities at every instant.

    The true class is always among them. Scores by trajectories have no instants.
    """
    values, order, true_rank = rank_classes(clip)
    ranks = sorted({*range(min(BARS, len(order))), true_rank})
    chosen = order[ranks]
    source = attributes.read(clip.file)["source"]
    figure = titled_figure(
        clip,
        12,
        1.9 + 0.34 * len(chosen),
        f"source {source}; truth has rank {true_rank + 1} of {len(order)}",
    )
    over_time = clip.data.ndim == 3
    bars, *charts = figure.subplots(
        1, 1 + over_time, sharey=True, squeeze=False, width_ratios=[4, 6][: 1 + over_time]
    )[0]
    colours = [TRUE if label == clip.label else OTHER for label in chosen]
    drawn = bars.barh(range(len(chosen)), values[chosen], color=colours)
    bars.bar_label(drawn, fmt="%.3f", padding=3, fontsize=9)
    names = [f"{_name(clip, order[rank])}  {rank + 1}" for rank in ranks]
    bars.set_yticks(range(len(chosen)), names)
    bars.get_yticklabels()[ranks.index(true_rank)].set(color=TRUE, weight="bold")
    bars.margins(x=0.18)
    bars.set(title="score", xlabel=score_meaning(clip))
    bars.locator_params(axis="x", nbins=5)
    bars.spines[["top", "right"]].set_visible(False)
    for chart in charts:
        _draw_instants(clip, figure, chart, chosen)
    return figure


def _draw_instants(clip: Clip, figure, axes, chosen: np.ndarray) -> None:
    """The probabilities of the `chosen` classes over the clip, their mean over crops.

    Over its frames where their number is known, else from one test instant to the next. The scale
    ends at 1 for every clip, so that pictures of several can be compared.
    """
    logits = clip.data[clip.index].astype(float)  # (crops x instants, classes)
    logits = logits.reshape(crop_count(clip), -1, len(clip.classes))
    probabilities = softmax(logits, axis=-1).mean(axis=0)  # (instants, classes)
    frames = scored_frames(clip, len(probabilities))
    axes.set_title("probabilities over the clip")
    if frames is None:
        edges = np.arange(len(probabilities) + 1) - 0.5
        _mark_periods(clip, axes, len(probabilities))
    else:
        # Periods overlap: an instant has the same logits in all that it belongs to.
        frames, first = np.unique(frames, return_index=True)
        probabilities = probabilities[first]
        # From one instant to the next the colour changes halfway.
        between = (frames[1:] + frames[:-1]) / 2
        edges = np.array([frames[0] - 0.5, *between, frames[-1] + 0.5])
        axes.set(xlabel="frame", xlim=(-0.5, frame_count(clip) - 0.5))
    rows = np.arange(len(chosen) + 1) - 0.5
    image = axes.pcolormesh(
        edges, rows, probabilities[:, chosen].T, cmap="Blues", vmin=0, vmax=1, zorder=0
    )
    axes.set_ylim(len(chosen) - 0.5, -0.5)
    axes.tick_params(left=False)
    figure.colorbar(image, ax=axes, label="probability")


def _mark_periods(clip: Clip, axes, count: int) -> None:
    """What `count` columns of an axis are, and where periods begin."""
    periods, instants = clip.settings["period"]["count"], clip.settings["period"]["instants"]
    snippets = clip.settings["scores"].get("snippets")
    axes.set_xlabel(f"test {'snippet' if snippets else 'period'}")
    # A stream scores every instant of a period, a direction a period at a time.
    if not snippets and count == periods * instants:
        for period in range(1, periods):
            axes.axvline(period * instants - 0.5, color="0.5", lw=0.5)
        axes.set_xlabel(f"test instant, {periods} periods of {instants}")
