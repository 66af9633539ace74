"""Charts of a clip: the teacher's groups over positions, and scores as bars and over instants."""

from collections import Counter

import numpy as np
from scipy.special import softmax

from pipeline.report import fonts
from pipeline.report.canvas import titled_figure
from pipeline.report.clip import Clip
from pipeline.report.measures import crop_count, form_group, rank_classes, score_meaning
from pipeline.storage import attributes

# Classes in a chart of scores, besides the true one.
BARS = 10
# Up to so many positions the true class gets frames; of more, they would hide it.
MOST_FRAMED = 150
# Colours of the true class, of any other, and of the true class where it was forced into a group.
TRUE, OTHER, FORCED = "tab:orange", "tab:blue", "#333333"
# Indices in matplotlib's "tab20", its two oranges (2 and 3) left out: strong colours first.
PALETTE = (0, 4, 8, 10, 14, 16, 18, 1, 5, 9, 11, 13, 15, 17, 19, 6, 7, 12)


def draw_groups(clip: Clip):
    """A figure of the teacher's ranking at every position, a colour per class.

    Below it, a strip shows where a group had to take the true class.
    """
    ranked = clip.data[...].T.astype(int)  # (depth, positions)
    sizes = clip.settings["granularities"]
    depth, count = ranked.shape
    # (sizes, positions)
    forced = np.stack([form_group(ranked.T, clip.label, size)[1] for size in sizes])
    others = [label for label, _ in Counter(ranked[ranked != clip.label].tolist()).most_common()]
    colours = _class_colours(clip, others)
    heights = [0.5 * depth, 0.35 * len(sizes)]
    figure = titled_figure(clip, 12, 2.4 + 0.5 * depth + 0.35 * len(sizes), f"{count} positions")
    chart, strip = figure.subplots(2, 1, sharex=True, height_ratios=heights)
    _draw_rankings(clip, chart, ranked, colours)
    _draw_forced(clip, strip, forced, sizes)
    _add_class_legend(clip, figure, others, colours)
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


def _draw_forced(clip: Clip, axes, forced: np.ndarray, sizes: list[int]) -> None:
    """Where the true class is `forced` (sizes, positions) into the group of each size."""
    from matplotlib.colors import to_rgb

    edges = _edges(clip, forced.shape[1])
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
        title="the true class in the groups: ranked there by the teacher, or forced in (dark)",
    )
    shares = zip(sizes, forced.mean(axis=1), strict=True)
    axes.set_yticklabels([f"group of {size}, {share:.0%} forced" for size, share in shares])


def _add_class_legend(clip: Clip, figure, others: list[int], colours: np.ndarray) -> None:
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
    handles.append(Patch(color=FORCED, label="true class forced in"))
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
    """The probabilities of the `chosen` classes at every test instant, their mean over crops."""
    logits = clip.data[clip.index].astype(float)  # (crops x instants, classes)
    logits = logits.reshape(crop_count(clip), -1, len(clip.classes))
    probabilities = softmax(logits, axis=-1).mean(axis=0)  # (instants, classes)
    image = axes.imshow(
        probabilities[:, chosen].T, aspect="auto", interpolation="nearest", cmap="Blues", vmin=0
    )
    periods, instants = clip.settings["period"]["count"], clip.settings["period"]["instants"]
    snippets = clip.settings["scores"].get("snippets")
    unit = "snippet" if snippets else "period"
    axes.set(title="probabilities over the clip", xlabel=f"test {unit}")
    # A stream scores every instant of a period, a direction a period at a time.
    if not snippets and len(probabilities) == periods * instants:
        axes.vlines(
            np.arange(1, periods) * instants - 0.5, -0.5, len(chosen) - 0.5, color="0.5", lw=0.5
        )
        axes.set_xlabel(f"test instant, {periods} periods of {instants}")
    axes.tick_params(left=False)
    figure.colorbar(image, ax=axes, label="probability")
