"""One-versus-rest linear SVMs on Fisher vectors, which stay on disk and are read in parts."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from sklearn.svm import SVC

from pipeline.idt import block_svm
from pipeline.idt.sizes import COLUMNS, read_in_blocks


def learn(
    vectors: Sequence,
    labels: np.ndarray,
    num_classes: int,
    penalty: float,
    report: Callable[[str], None],
) -> tuple[np.ndarray, np.ndarray]:
    """Train a linear SVM per class; returns weights (classes, D) and biases (classes,), float32.

    Of up to `sizes.MOST_AT_ONCE` clips the dual problem is solved on the products of all vectors
    with each other. Those of 9,537 clips take 0.7 GB, where a solver of the primal one would need
    28 bytes for each of 109,056 values of each clip, 29 GB. Of more clips it is the same problem,
    solved in blocks.

    Args:
        vectors: (D,) float32 per clip, HDF5 datasets; those next to each other in a file best
            follow one another.
        labels: (clips,) int, the class of each clip.
        num_classes: the number of classes.
        penalty: C, the weight of the hinge loss.
        report: is told how far it is, where it takes long.
    """
    if read_in_blocks(len(vectors)):
        return block_svm.learn(vectors, labels, num_classes, penalty, report)
    return _learn_at_once(list(vectors), labels, num_classes, penalty)


def _learn_at_once(
    vectors: list, labels: np.ndarray, num_classes: int, penalty: float
) -> tuple[np.ndarray, np.ndarray]:
    """Train on the products of all vectors with each other, by scikit-learn."""
    # (clips, clips)
    products = np.zeros((len(vectors), len(vectors)))
    for _, block in _blocks(vectors):
        products += block @ block.T
    duals, biases = np.zeros((num_classes, len(vectors))), np.zeros(num_classes)
    for label in range(num_classes):
        classifier = SVC(kernel="precomputed", C=penalty).fit(products, labels == label)
        duals[label, classifier.support_] = classifier.dual_coef_[0]
        biases[label] = classifier.intercept_[0]
    # The primal weights are the vectors, weighted by the dual coefficients.
    weights = np.empty((num_classes, len(vectors[0])), np.float32)
    for columns, block in _blocks(vectors):
        weights[:, columns] = duals @ block
    return weights, biases.astype(np.float32)


def _blocks(vectors: list) -> Iterator[tuple[slice, np.ndarray]]:
    """Yield up to COLUMNS columns at a time, and their values in all vectors (clips, columns)."""
    for start in range(0, len(vectors[0]), COLUMNS):
        columns = slice(start, start + COLUMNS)
        yield columns, np.stack([vector[columns] for vector in vectors])
