"""The picture of a result: accuracies as bars and a confusion matrix."""

from pathlib import Path

import numpy as np

from pipeline.files import replacing
from pipeline.report.text import NAMES


def draw_result(result: dict, path: str | Path) -> None:
    """Write a PNG: accuracies as bars, and the confusion matrix of the headline, rows adding up to 100 %."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    names = result["confusion"]["classes"]
    counts = np.array(result["confusion"]["matrix"], float)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    side = float(np.clip(0.3 * len(names), 4.5, 22))
    figure, (bars, matrix) = pyplot.subplots(
        1, 2, figsize=(side + 5.5, side), width_ratios=[4, side], layout="constrained"
    )
    sources = list(result["accuracy"])
    values = [100 * result["accuracy"][source] for source in sources]
    colours = ["tab:orange" if source == result["headline"] else "tab:blue" for source in sources]
    drawn = bars.barh([NAMES.get(source, source) for source in sources], values, color=colours)
    bars.bar_label(drawn, fmt="%.1f", padding=2)
    bars.invert_yaxis()
    bars.set(
        xlim=(0, 112),
        xlabel="accuracy in % of test clips",
        title=f"{result['set']} {result['split']}",
    )
    bars.axvline(100 / len(names), color="grey", linestyle=":", linewidth=1)
    bars.text(100 / len(names), -0.55, " chance", color="grey", fontsize=8)
    bars.spines[["top", "right"]].set_visible(False)
    image = matrix.imshow(100 * shares, cmap="Blues", vmin=0, vmax=100)
    matrix.set(
        title=f"confusion, {NAMES.get(result['headline'], result['headline'])}",
        ylabel="true class",
        xlabel="predicted class",
        xticks=range(len(names)),
        yticks=range(len(names)),
    )
    size = 9 if len(names) <= 20 else 6
    matrix.set_xticklabels(names, rotation=90, fontsize=size)
    matrix.set_yticklabels(names, fontsize=size)
    if len(names) <= 20:
        for (row, column), count in np.ndenumerate(counts.astype(int)):
            if count:
                matrix.text(
                    column,
                    row,
                    count,
                    ha="center",
                    va="center",
                    fontsize=8,
                    color="white" if shares[row, column] > 0.5 else "black",
                )
    figure.colorbar(image, ax=matrix, label="% of the true class", shrink=0.8)
    save_figure(figure, path)


def save_figure(figure, path: str | Path) -> None:
    """Write a figure as PNG, complete or not at all, and forget it."""
    from matplotlib import pyplot

    try:
        with replacing(path) as temporary:
            figure.savefig(temporary, dpi=110, format="png")
    finally:
        pyplot.close(figure)
