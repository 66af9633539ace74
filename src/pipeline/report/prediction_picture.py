"""The picture of a prediction, as the paper's Figure 6: frames and flow of a video in strips, and
what both streams and their fusion say over time.
"""

from pathlib import Path

import numpy as np

from pipeline.report import fonts
from pipeline.report.canvas import save_figure
from pipeline.report.flow_colours import LEAST_MOTION, colour
from pipeline.report.measures import displacement
from pipeline.report.prediction import SOURCES, Prediction, clock, running
from pipeline.streams import DIRECTIONS, STREAMS

# Classes of the bars, and of the chart of the fusion over time.
BARS, CURVES = 8, 5
# Points of a curve from which those of a window become one.
MOST_POINTS = 100
# Of two streams or two directions, and of their fusion.
COLOURS, FUSED = ("tab:blue", "tab:green"), "tab:orange"


def draw(prediction: Prediction, path: Path) -> None:
    """Write the PNG of a prediction."""
    import matplotlib

    # There may be no screen.
    matplotlib.use("Agg")
    from matplotlib.figure import Figure

    texts = [*prediction.trained.classes, prediction.path.name, prediction.trained.name]
    with fonts.as_written(texts):
        pictures = prediction.pictures
        height, width = next(iter(pictures.values()))[0].shape[:2]
        strip = min(13 / len(pictures) * height / width, 2.5)
        figure = Figure(figsize=(13, 2 * strip + 6.4), layout="constrained")
        grid = figure.add_gridspec(4, 1, height_ratios=[strip, strip, 2.2, 2.2])
        _draw_strips(prediction, figure, grid)
        charts = grid[2:].subgridspec(2, 2, width_ratios=[9, 4])
        of_class, of_fusion = (figure.add_subplot(charts[row, 0]) for row in range(2))
        _draw_class(prediction, of_class)
        _draw_fusion(prediction, of_fusion)
        _draw_bars(prediction, figure.add_subplot(charts[:, 1]))
        name = fonts.shown(prediction.path.name)
        figure.suptitle(
            f"{name}: {prediction.frames} frames, {clock(prediction.length)}; "
            f"{fonts.shown(prediction.trained.name)}",
            fontsize=12,
        )
        save_figure(figure, path)


def _draw_strips(prediction: Prediction, figure, grid) -> None:
    """Frames, and below each the flow to the next frame, all on one scale."""
    bound = prediction.trained.settings["flow"]["bound"]
    pictures = sorted(prediction.pictures.items())
    fields = [displacement(codes, bound) for _, (_, codes) in pictures]
    lengths = np.hypot(*np.stack(fields, axis=1)) if fields else np.zeros(1)
    scale = max(float(np.quantile(lengths, 0.99)), LEAST_MOTION)
    cells = grid[:2].subgridspec(2, len(pictures), wspace=0.02, hspace=0.02)
    for column, ((number, (frame, _)), field) in enumerate(zip(pictures, fields, strict=True)):
        above = figure.add_subplot(cells[0, column])
        above.imshow(frame)
        above.set_title(clock(number / prediction.rate), fontsize=9)
        below = figure.add_subplot(cells[1, column])
        below.imshow(colour(field, scale))
        for axes in (above, below):
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set_color("0.8")
        if column == 0:
            above.set_ylabel("frames")
            below.set_ylabel(f"flow, full\ncolour {scale:.1f} px")


def _curves(prediction: Prediction) -> tuple[np.ndarray, str, dict[str, np.ndarray]]:
    """The seconds of the points of the charts, the name of the fusion, and (points, classes) by
    name. Of many windows each is one point.
    """
    seconds, name, _ = running(prediction)
    over_time, windows = prediction.over_time[1], len(prediction.windows)
    if len(seconds) <= MOST_POINTS or windows == 1:
        return seconds, name, over_time
    # (windows P, ..) to (windows, ..)
    means = {
        key: values.reshape(windows, -1, values.shape[-1]).mean(axis=1)
        for key, values in over_time.items()
    }
    return seconds.reshape(windows, -1).mean(axis=1), name, means


def _draw_class(prediction: Prediction, axes) -> None:
    """The probability of the first class over time, by each stream and by their fusion."""
    seconds, fused, over_time = _curves(prediction)
    label = int(np.argmax(prediction.scores[prediction.headline]))
    names = [name for name in STREAMS if name in over_time] or [*DIRECTIONS]
    for name, colour_of_line in zip(names, COLOURS, strict=True):
        axes.plot(
            seconds,
            over_time[name][:, label],
            color=colour_of_line,
            lw=1.2,
            marker=".",
            label=SOURCES[name],
        )
    values = over_time[fused][:, label]
    axes.plot(seconds, values, color=FUSED, lw=2.4, marker="o", ms=4, label=SOURCES[fused])
    name = fonts.label(prediction.trained.classes[label], label)
    _finish(prediction, axes, f"probability of {name}")


def _draw_fusion(prediction: Prediction, axes) -> None:
    """The likeliest classes over time by the fusion."""
    seconds, fused, over_time = _curves(prediction)
    values = over_time[fused]
    # Those that are first most often, then the likeliest on the whole.
    firsts = np.bincount(values.argmax(axis=1), minlength=values.shape[1])
    order = np.lexsort((-values.mean(axis=0), -firsts))[:CURVES]
    for label in order:
        name = fonts.label(prediction.trained.classes[label], int(label))
        axes.plot(seconds, values[:, label], lw=1.6, marker=".", label=name)
    _finish(prediction, axes, f"{SOURCES[fused]}: the likeliest classes")
    axes.set_xlabel("seconds")


def _finish(prediction: Prediction, axes, title: str) -> None:
    axes.set(ylim=(-0.03, 1.03), xlim=(0, prediction.length), ylabel="probability")
    axes.set_title(title, fontsize=10, loc="left")
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(fontsize=8, loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False)


def _draw_bars(prediction: Prediction, axes) -> None:
    """The likeliest classes of the whole video."""
    order = np.argsort(-prediction.scores[prediction.headline], kind="stable")[:BARS]
    shares = prediction.probabilities[prediction.headline][order]
    names = [fonts.label(prediction.trained.classes[label], int(label)) for label in order]
    colours = [FUSED, *["0.7"] * (len(order) - 1)]
    bars = axes.barh(range(len(order)), shares, color=colours)
    axes.bar_label(bars, [f"{share:.1%}" for share in shares], padding=3, fontsize=9)
    axes.set_yticks(range(len(order)), names)
    axes.invert_yaxis()
    axes.set(xlim=(0, 1.18), xlabel="probability")
    axes.set_title(f"the whole video: {SOURCES[prediction.headline]}", fontsize=10, loc="left")
    axes.spines[["top", "right"]].set_visible(False)
