"""Pictures of clips in the pipeline's HDF5 files: frames and flow as contact sheets, the teacher's groups as a chart
over positions, scores as bars and over instants.
"""

import textwrap
from collections import Counter
from pathlib import Path

import numpy as np

from pipeline.errors import PipelineError
from pipeline.report.clip import (
    Clip,
    code_counts,
    crops_of,
    displacement,
    form,
    longest,
    measure,
    ranking,
)
from pipeline.report.layout import counted, evenly
from pipeline.storage.decoding import read

TILES = 16  # of a contact sheet
BARS = 10  # classes in a picture of scores
FRAMED = 150  # positions of a clip whose true class gets frames; of more, they would hide it
TRUE, OTHER, FORCED = (
    "tab:orange",
    "tab:blue",
    "#333333",
)  # the true class, any other, the true class forced in


def draw(clip: Clip, path: str | Path) -> None:
    """Write a picture of a clip as PNG; raises PipelineError when it cannot be written there."""
    from matplotlib import rc_context

    from pipeline.report.figures import save_figure

    path = Path(path)
    if path.suffix.lower() != ".png":
        raise PipelineError(f"{path}: pictures are PNG files; let the name end in .png")
    if path.is_dir() or not path.parent.is_dir():
        raise PipelineError(
            f"{path}: this is a folder" if path.is_dir() else f"{path}: its folder does not exist"
        )
    if clip.kind not in PICTURES:
        raise PipelineError(
            f"{clip.file.filename}: there are no pictures of {clip.kind}; leave --png out"
        )
    try:
        with rc_context({"text.parse_math": False}):  # names may hold dollars
            save_figure(PICTURES[clip.kind](clip), path)
    except OSError as error:
        raise PipelineError(f"{path}: the picture cannot be written: {error.strerror}") from error


def draw_frames(clip: Clip):
    """Contact sheet of evenly spaced frames."""
    figure, tiles, _ = _sheet(
        clip, *clip.data.shape[1:3], f"{counted(len(clip.data), 'frame')}, numbered from 0"
    )
    for number, axes in tiles.items():
        axes.imshow(read(clip.data, [number])[0])
        axes.set_title(f"frame {number}", fontsize=10)
    return figure


def draw_flow(clip: Clip):
    """Contact sheet of evenly spaced fields in the colours of the wheel beside them, all on one scale."""
    from matplotlib.patches import Circle

    bound = clip.settings["flow"]["bound"]
    scale = max(
        longest(code_counts(clip.data), bound, 0.99), 4 * bound / 255
    )  # two steps: do not blow up rounding
    what = f"{counted(len(clip.data), 'flow field')}; field t leads from frame t to frame t + 1"
    figure, tiles, legend = _sheet(clip, *clip.data.shape[2:], what, legend=True)
    for number, axes in tiles.items():
        axes.imshow(colour(displacement(read(clip.data, [number])[0], bound), scale))
        axes.set_title(f"field {number}", fontsize=10)
        axes.spines[:].set_color("0.8")
    legend.imshow(wheel(), extent=(-1, 1, 1, -1))
    for x, y, side, turn in (
        (1, 0, "right", 270),
        (0, 1, "down", 0),
        (-1, 0, "left", 90),
        (0, -1, "up", 0),
    ):
        legend.text(1.15 * x, 1.15 * y, side, ha="center", va="center", rotation=turn, fontsize=11)
    legend.add_patch(Circle((0, 0), 0.5, fill=False, ls=":", lw=1))
    legend.text(0, 0, "0", ha="center", va="center")
    legend.text(0.36, 0.36, f"{scale / 2:.2g}", va="top")
    legend.text(0.73, 0.73, f"{scale:.2g} px", va="top")
    legend.text(
        0, 1.4, "rim: this length or more;\n99% of the clip is within", ha="center", va="top"
    )
    legend.set(xlim=(-1.3, 1.3), ylim=(1.9, -1.3))
    legend.set_title("displacement\nfrom frame to frame", fontsize=11)
    return figure


def colour(field: np.ndarray, scale: float) -> np.ndarray:
    """Displacements (2, H, W) in pixels to RGB (H, W, 3) in 0 .. 1, in the code of the Middlebury flow benchmark.

    Hue is direction: right is red, down yellow, left cyan to blue, up violet; its six steps from a primary colour to
    the next take 15, 6, 4, 11, 13, 6 of 55 parts of the circle. Saturation is length, white 0 px, full `scale` px.
    """
    from matplotlib.colors import hsv_to_rgb

    turn = np.arctan2(field[1], field[0]) / (2 * np.pi) % 1
    hue = np.interp(turn, np.array([0, 15, 21, 25, 36, 49, 55]) / 55, np.arange(7) / 6)
    saturation = np.clip(np.hypot(*field) / scale, 0, 1)
    return hsv_to_rgb(np.stack([hue, saturation, np.ones_like(hue)], axis=-1))


def wheel(size: int = 301) -> np.ndarray:
    """The legend of `colour`: all displacements of length 1 or less, each at its own place; (size, size, 3)."""
    field = np.stack(np.meshgrid(*[np.linspace(-1, 1, size)] * 2))
    return colour(np.where(np.hypot(*field) <= 1, field, 0), 1)


def draw_groups(clip: Clip):
    """The teacher's ranking at every position, a colour a class; below it, where a group had to take the true class."""
    from matplotlib import colormaps
    from matplotlib.colors import to_rgb
    from matplotlib.patches import Patch, Rectangle

    ranked = clip.data[...].T.astype(int)  # (depth, positions)
    stride, sizes = clip.settings["groups"]["stride"], clip.settings["granularities"]
    forced = np.stack([form(ranked.T, clip.label, size)[1] for size in sizes])  # (sizes, positions)
    others = [name for name, _ in Counter(ranked[ranked != clip.label].tolist()).most_common()]
    palette = [
        colormaps["tab20"](i)[:3]
        for i in (0, 4, 8, 10, 14, 16, 18, 1, 5, 9, 11, 13, 15, 17, 19, 6, 7, 12)
    ]
    colours = np.full((len(clip.classes), 3), 0.9)  # of classes beyond the palette
    for number, rgb in zip(others, palette, strict=False):
        colours[number] = rgb
    colours[clip.label] = to_rgb(TRUE)
    depth, count = ranked.shape
    figure = _figure(clip, 12, 2.4 + 0.5 * depth + 0.35 * len(sizes), f"{count} positions")
    chart, strip = figure.subplots(
        2, 1, sharex=True, height_ratios=[0.5 * depth, 0.35 * len(sizes)]
    )
    edges = (-stride / 2, (count - 0.5) * stride)
    chart.imshow(
        colours[ranked], aspect="auto", interpolation="nearest", extent=(*edges, depth + 0.5, 0.5)
    )
    for rank, row in enumerate(ranked == clip.label if count <= FRAMED else (), start=1):
        starts, ends = np.flatnonzero(np.diff(row, prepend=False, append=False)).reshape(-1, 2).T
        for start, end in zip(starts, ends, strict=True):
            corner, length = ((start - 0.5) * stride, rank - 0.5), (end - start) * stride
            chart.add_patch(Rectangle(corner, length, 1, fill=False, lw=1.5, zorder=3))
    chart.set(
        ylabel="teacher's rank", yticks=range(1, depth + 1), title="the teacher's likeliest classes"
    )
    chart.hlines(np.arange(1.5, depth), *edges, color="white", lw=1)
    both = np.array([to_rgb(TRUE), to_rgb(FORCED)])[forced.astype(int)]
    strip.imshow(
        both, aspect="auto", interpolation="nearest", extent=(*edges, len(sizes) - 0.5, -0.5)
    )
    strip.hlines(np.arange(0.5, len(sizes) - 1), *edges, color="white", lw=1)
    strip.set(
        xlabel="position (first frame or field)",
        yticks=range(len(sizes)),
        title="the true class in the groups: ranked there by the teacher, or forced in (dark)",
    )
    strip.set_yticklabels(
        [
            f"group of {size}, {share:.0%} forced"
            for size, share in zip(sizes, forced.mean(axis=1), strict=True)
        ]
    )
    legend = [Patch(facecolor=TRUE, edgecolor="black", lw=1.5, label=f"{clip.class_name} (true)")]
    legend += [
        Patch(color=colours[number], label=clip.classes[number])
        for number in others[: len(palette)]
    ]
    if len(others) > len(palette):
        legend.append(Patch(color="0.9", label=f"{len(others) - len(palette)} more"))
    figure.legend(
        handles=[*legend, Patch(color=FORCED, label="true class forced in")],
        loc="outside right center",
    )
    return figure


def draw_scores(clip: Clip):
    """Bars of the best classes' scores, the true class among them, and their probabilities at every test instant."""
    values, order, rank = ranking(clip)
    places = sorted({*range(min(BARS, len(order))), rank})
    chosen = order[places]
    figure = _figure(
        clip,
        12,
        1.9 + 0.34 * len(chosen),
        f"source {clip.file.attrs['source']}; truth has rank {rank + 1} of {len(order)}",
    )
    over_time = clip.data.ndim == 3  # scores of trajectories have no instants
    bars, *charts = figure.subplots(
        1, 1 + over_time, sharey=True, squeeze=False, width_ratios=[4, 6][: 1 + over_time]
    )[0]
    colours = [TRUE if number == clip.label else OTHER for number in chosen]
    drawn = bars.barh(range(len(chosen)), values[chosen], color=colours)
    bars.bar_label(drawn, fmt="%.3f", padding=3, fontsize=9)
    bars.set_yticks(range(len(chosen)), [f"{clip.classes[order[p]]}  {p + 1}" for p in places])
    bars.get_yticklabels()[places.index(rank)].set(color=TRUE, weight="bold")
    bars.margins(x=0.18)
    bars.set(title="score", xlabel=measure(clip))
    bars.locator_params(axis="x", nbins=5)
    bars.spines[["top", "right"]].set_visible(False)
    for chart in charts:
        _draw_instants(clip, figure, chart, chosen)
    return figure


def _draw_instants(clip: Clip, figure, chart, chosen: np.ndarray) -> None:
    """The probabilities of the `chosen` classes at every test instant, their mean over crops."""
    logits = (
        clip.data[clip.place].astype(float).reshape(crops_of(clip), -1, len(clip.classes))
    )  # (crops, instants, classes)
    probabilities = np.exp(logits - logits.max(axis=-1, keepdims=True))
    probabilities = (probabilities / probabilities.sum(axis=-1, keepdims=True)).mean(
        axis=0
    )  # (instants, classes)
    image = chart.imshow(
        probabilities[:, chosen].T, aspect="auto", interpolation="nearest", cmap="Blues", vmin=0
    )
    periods, instants = clip.settings["period"]["count"], clip.settings["period"]["instants"]
    chart.set(title="probabilities over the clip", xlabel="test period")
    if (
        len(probabilities) == periods * instants
    ):  # a stream's scores; a direction's see a period at a time
        chart.vlines(
            np.arange(1, periods) * instants - 0.5, -0.5, len(chosen) - 0.5, color="0.5", lw=0.5
        )
        chart.set_xlabel(f"test instant, {periods} periods of {instants}")
    chart.tick_params(left=False)
    figure.colorbar(image, ax=chart, label="probability")


PICTURES = {"frames": draw_frames, "flow": draw_flow, "groups": draw_groups, "scores": draw_scores}


def _figure(clip: Clip, width: float, height: float, what: str):
    """A figure in inches, titled with the clip, its class, what it shows and its file."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    title = [
        clip.id,
        f"class {clip.class_name}; {what}",
        str(Path(*Path(clip.file.filename).parts[-4:])),
    ]
    figure.suptitle("\n".join(textwrap.fill(line, int(11 * width)) for line in title), fontsize=12)
    return figure


def _sheet(clip: Clip, height: int, width: int, what: str, legend: bool = False):
    """A figure with axes for up to TILES evenly spaced items of a clip: the figure, {item: axes}, the legend's axes."""
    numbers = evenly(len(clip.data), TILES)
    columns = min(4, len(numbers))
    rows, inches = -(-len(numbers) // columns), 2.6 / max(height, width)  # inches a pixel
    figure = _figure(
        clip,
        max(7, columns * width * inches + 2.8 * legend),
        max(rows * (height * inches + 0.3) + 0.8, 4.5 * legend),
        what,
    )
    grid = figure.add_gridspec(
        rows, columns + legend, width_ratios=[width * inches] * columns + [2.6] * legend
    )
    tiles = {
        number: figure.add_subplot(grid[divmod(i, columns)]) for i, number in enumerate(numbers)
    }
    side = figure.add_subplot(grid[:, -1]) if legend else None
    for axes in tiles.values():
        axes.set(xticks=[], yticks=[])
    if legend:
        side.set_axis_off()
    return figure, tiles, side
