"""Small codebooks, Fisher vectors and classifiers, for tests of reports."""

import numpy as np

from pipeline.idt.fisher import LENGTHS
from pipeline.storage import writer

AXES = {name: length // 2 for name, length in LENGTHS.items()}
WEIGHTS = np.array([0.125, 0.5, 0.25, 0.125], np.float32)
CLASSES = ["Bow", "Übung", "跳", "x" * 60]


def codebook(path):
    """Mixtures of four components; variances are 0.1, and 10 of the likeliest on the first axis."""
    with writer.create(path, "codebook", {"idt": {"components": 4}}, "c0de") as file:
        for name, axes in AXES.items():
            variances = np.full((4, axes), 0.1, np.float32)
            variances[1, 0] = 10
            file[f"{name}_weights"], file[f"{name}_variances"] = WEIGHTS, variances
            file[f"{name}_means"] = np.zeros((4, axes), np.float32)
            file[f"{name}_mean"] = np.zeros(LENGTHS[name], np.float32)
            file[f"{name}_axes"] = np.eye(axes, LENGTHS[name], dtype=np.float32)
    return path


def vector():
    """A Fisher vector of one component: shape's first value by mean is 3, HOG's by variance -4."""
    values = np.zeros(2 * sum(AXES.values()), np.float32)
    values[0], values[2 * AXES["shape"] + AXES["hog"]] = 3, -4
    return values


def svm(path):
    """Classifiers of four classes; the first has the weights of `vector`."""
    weights = np.zeros((4, len(vector())), np.float32)
    weights[0] = vector()
    with writer.create(path, "svm", {}, "c0de", set="mini", split="split1") as file:
        file["weights"], file["classes"] = weights, CLASSES
        file["bias"] = np.array([-1, 0, 0.5, 1], np.float32)
    return path
