"""Codebooks, Fisher vectors and their classifiers: numbers that text and pictures share, and lines
of text.
"""

import h5py
import numpy as np

from pipeline.idt.fisher import LENGTHS
from pipeline.report.layout import FEW, fit, table_lines

# Axes of each descriptor, half as many as it has values.
AXES = {name: length // 2 for name, length in LENGTHS.items()}
NAMES = {"shape": "shape", "hog": "HOG", "hof": "HOF", "mbh_x": "MBHx", "mbh_y": "MBHy"}


def parts(vector: np.ndarray) -> dict[str, np.ndarray]:
    """The values (.., 2, K, d) by descriptor of Fisher vectors (.., D), or of weights for them.

    They are those by mean and by variance, component by component. Nothing where D is no length of
    a Fisher vector.
    """
    components, rest = divmod(vector.shape[-1], 2 * sum(AXES.values()))
    if rest or not components:
        return {}
    sizes = [2 * components * axes for axes in AXES.values()]
    pieces = np.split(vector, np.cumsum(sizes)[:-1], axis=-1)
    return {
        name: piece.reshape(*vector.shape[:-1], 2, components, AXES[name])
        for name, piece in zip(AXES, pieces, strict=True)
    }


def half_of_energy(vector: np.ndarray) -> float:
    """The least share of values that have half of the squared norm, 0 .. 1: small where sparse."""
    energy = np.sort(vector.astype(float).ravel() ** 2)[::-1]
    total = energy.sum()
    if not total:
        return 0.0
    return float(np.searchsorted(np.cumsum(energy), total / 2) + 1) / len(energy)


def effective_components(weights: np.ndarray) -> float:
    """As many components as would be equally likely at the entropy of `weights` (K,)."""
    shares = weights[weights > 0] / weights.sum()
    return float(np.exp(-(shares * np.log(shares)).sum()))


def codebook_lines(file: h5py.File, width: int, _: bool) -> list[str]:
    """A line for each descriptor of a codebook."""
    rows = [("descriptor", "axes", "components", "effective", "weights", "variances", "")]
    for name, label in NAMES.items():
        weights, variances = file[f"{name}_weights"][...], file[f"{name}_variances"][...]
        rows.append(
            (
                label,
                str(variances.shape[1]),
                str(len(weights)),
                f"{effective_components(weights):.1f}",
                f"{weights.min():.2g}-{weights.max():.2g}",
                f"{variances.min():.2g}-{variances.max():.2g}",
                "",
            )
        )
    return table_lines(rows, "<>>>>>", width)


def classifier_lines(file: h5py.File, width: int, everything: bool) -> list[str]:
    """A line for each class: bias, norm of its weights, and shares of descriptors in its square."""
    norms, biases = class_norms(file), file["bias"][...]
    classes = list(file["classes"].asstr())
    rows = [("class", "bias", "norm", *(NAMES[name] for name in norms), "")]
    total = np.sqrt(sum(norm**2 for norm in norms.values()))
    shown = range(len(classes)) if everything else range(min(FEW, len(classes)))
    for row in shown:
        shares = (f"{norm[row] ** 2 / (total[row] or 1) ** 2:.0%}" for norm in norms.values())
        name = fit(classes[row], 26).rstrip()
        rows.append((name, f"{biases[row]:.3f}", f"{total[row]:.3f}", *shares, ""))
    lines = table_lines(rows, "<" + ">" * (2 + len(norms)), width)
    if len(shown) < len(classes):
        lines.append(f".. {len(classes)} classes in all; --all shows all")
    return lines


def class_norms(file: h5py.File) -> dict[str, np.ndarray]:
    """The norms (classes,) of the weights of classifiers, by descriptor; together where unknown."""
    found = parts(file["weights"][...]) or {"": file["weights"][...]}
    return {
        name: np.sqrt((values.astype(float) ** 2).reshape(len(values), -1).sum(axis=1))
        for name, values in found.items()
    }


# What is said of a whole file of each kind.
LINES = {"codebook": codebook_lines, "svm": classifier_lines}
