"""The picture of a result: accuracies as bars and a confusion matrix."""

from pathlib import Path

import numpy as np

from pipeline.report.canvas import save_figure
from pipeline.report.fonts import as_written, label
from pipeline.report.text import NAMES

# Up to so many classes, names are large and counts stand in the confusion matrix.
READABLE = 20


def draw_result(result: dict, path: str | Path) -> None:
    """Write a PNG of a result (acc.json): accuracies as bars, and the headline's confusion."""
    import matplotlib

    # There may be no screen.
    matplotlib.use("Agg")
    from matplotlib import pyplot

    with as_written(result["confusion"]["classes"]):
        class_count = len(result["confusion"]["classes"])
        side = float(np.clip(0.3 * class_count, 4.5, 22))
        figure, (bars, matrix) = pyplot.subplots(
            1, 2, figsize=(side + 5.5, side), width_ratios=[4, side], layout="constrained"
        )
        _draw_accuracies(result, bars)
        image = _draw_confusion(result, matrix)
        figure.colorbar(image, ax=matrix, label="% of the true class", shrink=0.8)
        save_figure(figure, path)


def _draw_accuracies(result: dict, axes) -> None:
    """A bar for each source, the headline's orange, and a line at chance."""
    sources = list(result["accuracy"])
    values = [100 * result["accuracy"][source] for source in sources]
    colours = ["tab:orange" if source == result["headline"] else "tab:blue" for source in sources]
    bars = axes.barh([NAMES.get(source, source) for source in sources], values, color=colours)
    axes.bar_label(bars, fmt="%.1f", padding=2)
    axes.invert_yaxis()
    axes.set(
        xlim=(0, 112),
        xlabel="accuracy in % of test clips",
        title=f"{result['set']} {result['split']}",
    )
    chance = 100 / len(result["confusion"]["classes"])
    axes.axvline(chance, color="grey", linestyle=":", linewidth=1)
    axes.text(chance, -0.55, " chance", color="grey", fontsize=8)
    axes.spines[["top", "right"]].set_visible(False)


def _draw_confusion(result: dict, axes):
    """The confusion matrix of the headline, rows adding up to 100 %; returns its image."""
    names = [label(name, number) for number, name in enumerate(result["confusion"]["classes"])]
    counts = np.array(result["confusion"]["matrix"], float)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    image = axes.imshow(100 * shares, cmap="Blues", vmin=0, vmax=100)
    axes.set(
        title=f"confusion, {NAMES.get(result['headline'], result['headline'])}",
        ylabel="true class",
        xlabel="predicted class",
        xticks=range(len(names)),
        yticks=range(len(names)),
    )
    size = 9 if len(names) <= READABLE else 6
    axes.set_xticklabels(names, rotation=90, fontsize=size)
    axes.set_yticklabels(names, fontsize=size)
    if len(names) <= READABLE:
        for (row, column), count in np.ndenumerate(counts.astype(int)):
            if count:
                axes.text(
                    column,
                    row,
                    count,
                    ha="center",
                    va="center",
                    fontsize=8,
                    color="white" if shares[row, column] > 0.5 else "black",
                )
    return image
