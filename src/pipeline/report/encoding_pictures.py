"""Pictures of codebooks, Fisher vectors and their classifiers."""

import numpy as np

from pipeline.errors import PipelineError
from pipeline.report import fonts
from pipeline.report.canvas import titled_figure
from pipeline.report.clip import Clip
from pipeline.report.encodings import (
    NAMES,
    class_norms,
    effective_components,
    half_of_energy,
    parts,
)
from pipeline.report.layout import count_text

# Up to so many classes all have their names in a picture.
MOST_NAMED = 150


def draw_codebook(clip: Clip):
    """A figure of the mixtures: weights of the components by descriptor, and their variances."""
    file = clip.file
    count = len(file["shape_weights"])
    content = f"codebook of {count_text(count, 'component')} a descriptor, the likeliest first"
    figure = titled_figure(clip, 12, 13, content)
    axes = figure.subplots(len(NAMES), 2, width_ratios=[1, 2])
    for (name, label), (bars, image) in zip(NAMES.items(), axes, strict=True):
        weights, variances = file[f"{name}_weights"][...], file[f"{name}_variances"][...]
        order = np.argsort(-weights, kind="stable")
        bars.bar(np.arange(1, count + 1), 100 * weights[order], width=1, color="tab:blue")
        bars.axhline(100 / count, color="grey", ls=":", lw=1)
        bars.set_ylabel(f"{label}\nweight in %")
        bars.set_title(f"in effect {effective_components(weights):.0f} components", fontsize=10)
        bars.spines[["top", "right"]].set_visible(False)
        logs = np.log10(np.maximum(variances[order], 1e-12))
        drawn = image.imshow(
            logs, aspect="auto", interpolation="nearest", extent=_extent(logs), cmap="viridis"
        )
        image.set_ylabel("component")
        image.set_title(f"variances on {logs.shape[1]} axes", fontsize=10)
        figure.colorbar(drawn, ax=image, label="log10 of variance")
    axes[-1, 0].set_xlabel("component (dotted: all alike)")
    axes[-1, 1].set_xlabel("axis, by its share in the descriptor's variance")
    return figure


def _extent(values: np.ndarray) -> tuple[float, float, float, float]:
    """Edges of an image whose rows and columns count from 1."""
    rows, columns = values.shape
    return 0.5, columns + 0.5, rows + 0.5, 0.5


def draw_fisher(clip: Clip):
    """A figure of a Fisher vector: by descriptor its values by mean and by variance, a row a
    component.
    """
    vector = clip.data[...]
    found = parts(vector)
    if not found:
        raise PipelineError(
            f"{clip.file.filename}: a vector of {len(vector):,} values is none of this pipeline's "
            "trajectories; leave --png out"
        )
    largest = float(np.quantile(np.abs(vector), 0.995)) or 1.0
    content = (
        f"norm {np.linalg.norm(vector):.3f}; half of its square lies in "
        f"{half_of_energy(vector):.1%} of {len(vector):,} values"
    )
    figure = titled_figure(clip, 12, 13, content)
    axes = figure.subplots(len(found), 2)
    for (name, values), pair in zip(found.items(), axes, strict=True):
        share = float((values**2).sum()) / (float((vector**2).sum()) or 1)
        for what, of_what, image in zip(("mean", "variance"), values, pair, strict=True):
            drawn = image.imshow(
                of_what,
                aspect="auto",
                interpolation="nearest",
                extent=_extent(of_what),
                cmap="RdBu_r",
                vmin=-largest,
                vmax=largest,
            )
            image.set_title(f"{NAMES[name]}, by {what}", fontsize=10)
        pair[0].set_ylabel(f"component\n{share:.0%} of the square")
    for image in axes[-1]:
        image.set_xlabel("axis")
    figure.colorbar(drawn, ax=axes, label="value", shrink=0.5)
    return figure


def draw_classifiers(clip: Clip):
    """A figure of linear classifiers: the norm of the weights by class and descriptor, and biases.

    A descriptor has as much to say of a class as its weights are long: all vectors of a descriptor
    have the same length.
    """
    norms = class_norms(clip.file)
    table = np.stack(list(norms.values()), axis=1)  # (classes, descriptors)
    biases, count = clip.file["bias"][...], len(table)
    names = [fonts.label(name, number) for number, name in enumerate(clip.classes)]
    height = min(30, max(3.5, 0.2 * count + 1.8))
    content = f"classifiers of {count_text(count, 'class')}"
    figure = titled_figure(clip, 10, height, content)
    image, bars = figure.subplots(1, 2, sharey=True, width_ratios=[3, 1])
    drawn = image.imshow(table, aspect="auto", interpolation="nearest", cmap="Blues", vmin=0)
    chosen = range(0, count, -(-count // MOST_NAMED))
    image.set_yticks(chosen, [names[number] for number in chosen], fontsize=9)
    image.set_xticks(range(table.shape[1]), [NAMES.get(name, "all") for name in norms])
    image.set_title("norm of the weights", fontsize=10)
    if count <= MOST_NAMED:
        for (row, column), value in np.ndenumerate(table):
            colour = "white" if value > 0.6 * table.max() else "black"
            image.text(
                column, row, f"{value:.2f}", ha="center", va="center", fontsize=8, color=colour
            )
    shown = min(1, 4 / height)
    figure.colorbar(drawn, ax=image, label="norm", shrink=shown, aspect=20)
    bars.barh(range(count), biases, color="tab:orange", height=0.7)
    bars.axvline(0, color="black", lw=0.8)
    bars.set_title("bias", fontsize=10)
    bars.tick_params(left=False)
    bars.spines[["top", "right"]].set_visible(False)
    return figure
