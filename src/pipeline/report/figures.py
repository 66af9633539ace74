"""The picture of a result: accuracies as bars, a confusion matrix, and the accuracy of each class.

Axes have sizes in inches that follow from the number of classes, and the picture is as large as
what is drawn: names are legible whether there are 2 classes or 101.
"""

from pathlib import Path

import numpy as np

from pipeline.evaluation.intervals import wilson
from pipeline.report.canvas import save_figure
from pipeline.report.fonts import as_written, label
from pipeline.report.mistakes import confused_pairs
from pipeline.report.text import NAMES

# Up to so many classes: the inches of a cell of the confusion matrix, and the size of names.
SIZES = ((20, 0.34, 10), (60, 0.26, 9), (150, 0.2, 8))
# The least and the largest side of the matrix in inches, and classes of which all names fit there.
SMALLEST, LARGEST, MOST_NAMED = 2.6, 30.0, 150
# Points of the smallest numbers in cells.
LEAST_POINTS = 5
# Up to so many classes confused pairs are seen at a glance; of more they are told in words, as many
# as have room.
GLANCE, MOST_PAIRS, LINE = 20, 30, 0.2
# Shares of a class that the colour bar names. Its scale rises steeply: a lost clip is seen.
TICKS = (0, 1, 5, 10, 20, 40, 60, 80, 100)
# Inches between parts of the picture.
GAP = 0.35
HEADLINE, OTHER = "tab:orange", "tab:blue"


def draw_result(result: dict, path: str | Path) -> None:
    """Write a PNG of a result (acc.json): accuracies, and the headline's confusion and classes."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    classes = result["confusion"]["classes"]
    with as_written(classes):
        # Of one inch, so that positions are inches: what lies beyond it is drawn all the same.
        figure = Figure(figsize=(1, 1))
        FigureCanvasAgg(figure)
        cell, points = _sizes(len(classes))
        side = max(SMALLEST, cell * len(classes))
        matrix = figure.add_axes((0, -side, side, side))
        image = _draw_confusion(result, matrix, side / len(classes), points)
        by_class = figure.add_axes((side + GAP / 2, -side, 1.5, side))
        _draw_classes(result, by_class, points)
        scale = figure.add_axes((side + 2.4 + GAP, -min(side, 4), 0.15, min(side, 4)))
        figure.colorbar(image, cax=scale, label="% of the true class", ticks=TICKS)
        _draw_sources(result, figure, matrix, side)
        save_figure(figure, path, tight=True)


def _sizes(count: int) -> tuple[float, float]:
    """Inches of a cell and points of names, for so many classes."""
    for most, cell, points in SIZES:
        if count <= most:
            return cell, points
    return LARGEST / count, SIZES[-1][2]


def _draw_sources(result: dict, figure, matrix, side: float) -> None:
    """The accuracies of the sources left of the `matrix`; of many classes below it the pairs that
    are confused most.
    """
    sources = list(result["accuracy"])
    height, width = 0.42 * len(sources) + 0.3, 2.8
    right = matrix.get_tightbbox().x0 / figure.dpi - GAP
    axes = figure.add_axes((right - width, -height, width, height))
    _draw_accuracies(result, axes, sources)
    room = int((side - height - 1) / LINE)
    if len(result["confusion"]["classes"]) > GLANCE and room > 1:
        lines = _pair_lines(result, min(room, MOST_PAIRS))
        # Below the numbers of the axis and its name, from the left edge of the sources' names on.
        left = axes.get_tightbbox().x0 / figure.dpi
        text = figure.text(
            left, -height - 0.8, "\n".join(lines), fontsize=9, va="top", linespacing=1.5
        )
        beyond = text.get_window_extent().x1 / figure.dpi - right
        text.set_x(left - max(0, beyond))


def _draw_accuracies(result: dict, axes, sources: list[str]) -> None:
    """A bar for each source with its 95 % interval, the headline's orange, and a line at chance."""
    shares = np.array([result["accuracy"][source] for source in sources])
    bounds = np.array([wilson(share, result["clips"]) for share in shares])
    bars = axes.barh(
        [NAMES.get(source, source) for source in sources],
        100 * shares,
        color=[HEADLINE if source == result["headline"] else OTHER for source in sources],
        xerr=100 * np.abs(bounds - shares[:, None]).T,
        error_kw={"elinewidth": 1, "capsize": 3, "ecolor": "0.3"},
    )
    axes.bar_label(bars, fmt="%.1f", padding=3)
    axes.invert_yaxis()
    axes.set(xlim=(0, 118), xlabel="accuracy in % of test clips, 95 % interval")
    axes.set_title(f"{result['set']} {result['split']}")
    chance = 100 / len(result["confusion"]["classes"])
    axes.axvline(chance, color="grey", linestyle=":", linewidth=1)
    axes.text(chance, -0.5, " chance", color="grey", fontsize=8)
    axes.spines[["top", "right"]].set_visible(False)


def _draw_confusion(result: dict, axes, cell: float, points: float):
    """The confusion matrix of the headline, rows adding up to 100 %; returns its image.

    `cell` is the side of a cell in inches, `points` the size of names.
    """
    from matplotlib.colors import PowerNorm

    names = _labels(result)
    counts = np.array(result["confusion"]["matrix"], int)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    image = axes.imshow(100 * shares, cmap="Blues", norm=PowerNorm(0.5, 0, 100), aspect="auto")
    axes.set_title(f"confusion, {NAMES.get(result['headline'], result['headline'])}")
    axes.set(ylabel="true class", xlabel="predicted class")
    # All names, or evenly spaced ones.
    chosen = range(0, len(names), -(-len(names) // MOST_NAMED))
    axes.set_xticks(chosen, [names[number] for number in chosen], rotation=90, fontsize=points)
    axes.set_yticks(chosen, [names[number] for number in chosen], fontsize=points)
    # Far from the bottom, columns have their names above as well.
    axes.tick_params(labeltop=len(names) > GLANCE, length=0)
    if len(names) <= MOST_NAMED:
        edges = np.arange(len(names) - 1) + 0.5
        axes.hlines(edges, -0.5, len(names) - 0.5, color="0.9", lw=0.4)
        axes.vlines(edges, -0.5, len(names) - 0.5, color="0.9", lw=0.4)
    _write_counts(axes, counts, shares, cell)
    return image


def _write_counts(axes, counts: np.ndarray, shares: np.ndarray, cell: float) -> None:
    """Counts in the cells that are not 0, where they can be read."""
    # A digit is some 0.6 of its size wide.
    size = min(9, 0.85 * 72 * cell / (0.6 * max(2, len(str(counts.max())))), 0.6 * 72 * cell)
    if size < LEAST_POINTS:
        return
    for row, column in zip(*np.nonzero(counts), strict=True):
        axes.text(
            column,
            row,
            counts[row, column],
            ha="center",
            va="center",
            fontsize=size,
            # The scale is half way up at a quarter.
            color="white" if shares[row, column] > 0.35 else "black",
        )


def _draw_classes(result: dict, axes, points: float) -> None:
    """The accuracy of each class in the rows of the confusion matrix, and its clips."""
    counts = np.array(result["confusion"]["matrix"], int)
    right, clips = np.diag(counts), counts.sum(axis=1)
    shares = 100 * right / np.maximum(clips, 1)
    rows = np.arange(len(counts))
    axes.barh(rows, shares, color=HEADLINE, height=0.7)
    axes.set(ylim=(len(counts) - 0.5, -0.5), xlim=(0, 100), yticks=[], xticks=[0, 50, 100])
    axes.set_title("accuracy by class", fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)
    if len(counts) > MOST_NAMED:
        return
    for row in rows:
        text = f"{shares[row]:.0f} % of {clips[row]}" if clips[row] else "no clips"
        axes.text(103, row, text, va="center", fontsize=points)


def _pair_lines(result: dict, most: int) -> list[str]:
    """The pairs of classes that are confused most, in words."""
    matrix, names = np.array(result["confusion"]["matrix"], int), _labels(result)
    pairs = confused_pairs(matrix)[:most]
    lines = [
        f"{names[true]} taken for {names[predicted]}: "
        f"{matrix[true, predicted]} of {matrix[true].sum()}"
        for true, predicted in pairs
    ]
    return ["most confused:", *lines] if lines else []


def _labels(result: dict) -> list[str]:
    return [label(name, number) for number, name in enumerate(result["confusion"]["classes"])]
