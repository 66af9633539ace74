"""Six clips with scores, and files of them as other programs write them."""

import numpy as np
from scipy.io import savemat

CLASSES = ["Bow", "Jump", "Run"]
# Two clips of each class, as rows of an index.
ROWS = [
    {"clip": f"{name}/v_{name}_g0{i}", "label": CLASSES.index(name)}
    for name in CLASSES
    for i in (1, 2)
]
VALUES = np.arange(18.0).reshape(6, 3) % 7
NAMES = [row["clip"].split("/")[1] for row in ROWS]
LABELS = [row["label"] for row in ROWS]


def mat(path, columns=(0, 1, 2), rows=range(6), **changed):
    """A .mat file as the public ones, with classes in the order of `columns`, and clips `rows`."""
    rows = list(rows)
    names = np.empty((len(rows), 1), object)
    names[:, 0] = [NAMES[row] for row in rows]
    gt = [[list(columns).index(LABELS[row]) + 1] for row in rows]
    savemat(
        path,
        {
            "scores_idt": VALUES[rows][:, columns],
            "vn_idt": names,
            "gt_idt": np.array(gt, np.uint8),
            **changed,
        },
    )
    return path


def npz(path, **changed):
    """An .npz file of the clips; what is changed to None is left out."""
    arrays = {"scores": VALUES, "names": NAMES, "labels": LABELS, "classes": CLASSES} | changed
    np.savez(path, **{key: value for key, value in arrays.items() if value is not None})
    return path
