"""One-versus-rest linear classifiers of Fisher vectors, which stay on disk: they are read some columns at a time."""

from collections.abc import Iterator

import h5py
import numpy as np
from sklearn.svm import SVC

COLUMNS = 4096  # of the vectors, read at a time: 160 MB for UCF101's training clips


def learn(
    vectors: list[h5py.Dataset], labels: np.ndarray, classes: int, penalty: float
) -> tuple[np.ndarray, np.ndarray]:
    """Weights (classes, D) and biases (classes,) of hinge-loss classifiers with C = `penalty`; `vectors`: (D,) a clip.

    The dual problem sees products of vectors only. Those of 9,537 clips with each other take 0.7 GB, where a solver of the
    primal one would want 28 bytes for each of 109,056 values of each clip, 29 GB.
    """
    products = np.zeros((len(vectors), len(vectors)))
    for _, columns in _blocks(vectors):
        products += columns @ columns.T
    duals, biases = np.zeros((classes, len(vectors))), np.zeros(classes)
    for number in range(classes):
        found = SVC(kernel="precomputed", C=penalty).fit(products, labels == number)
        duals[number, found.support_], biases[number] = found.dual_coef_[0], found.intercept_[0]
    weights = np.empty((classes, len(vectors[0])), np.float32)
    for block, columns in _blocks(vectors):
        weights[:, block] = duals @ columns
    return weights, biases.astype(np.float32)


def _blocks(vectors: list[h5py.Dataset]) -> Iterator[tuple[slice, np.ndarray]]:
    """Some columns of all vectors at a time, (clips, up to COLUMNS) float32, and which."""
    for start in range(0, len(vectors[0]), COLUMNS):
        block = slice(start, start + COLUMNS)
        yield block, np.stack([vector[block] for vector in vectors])
