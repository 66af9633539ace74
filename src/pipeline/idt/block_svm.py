"""Linear SVMs of more clips than the products of all with all fit in memory.

A block of clips at a time is read, and of each class the dual coefficients of the block's clips are
solved for while all others stand still (block minimisation, Yu, Hsieh, Chang, Lin, KDD 2010).
Within a block, pairs of coefficients change by opposite amounts, as in LIBSVM (Fan, Chen, Lin,
JMLR 2005): so the bias is not regularised, and the problem is the one that `svm` solves of fewer
clips. Each pass over the clips has other blocks, drawn at random, so that any two clips meet.
"""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numba import njit

from pipeline.idt.sizes import BLOCK, COLUMNS

# Clips that follow one another and are always read together: they lie next to each other on disk.
NEIGHBOURS = 64
# A class is solved when no pair of coefficients would change its decision values by more. It is
# scikit-learn's default. Blocks are solved more precisely, or else their rest would stay.
TOLERANCE = 1e-3
TOLERANCE_IN_BLOCK = TOLERANCE / 10
# Passes over all clips, at most; thirty solve real sets.
MOST_PASSES = 200
# Changes of pairs in a block and class, at most, by the number of its clips.
MOST_CHANGES = 100


def learn(
    vectors: Sequence,
    labels: np.ndarray,
    num_classes: int,
    penalty: float,
    report: Callable[[str], None],
) -> tuple[np.ndarray, np.ndarray]:
    """Train a linear SVM per class; returns weights (classes, D) and biases (classes,), float32.

    Memory holds BLOCK vectors, a float64 per class and value of a vector, and one per class and
    clip. The same vectors give the same result, bit for bit.

    Args:
        vectors: (D,) float32 per clip, HDF5 datasets or arrays; each is read once in a pass.
        labels: (clips,) int, the class of each clip.
        num_classes: the number of classes.
        penalty: C, the weight of the hinge loss.
        report: is told, pass by pass, how far it is.
    """
    count, length = len(vectors), len(vectors[0])
    # (classes, clips); a coefficient lies between 0 and the penalty times its sign.
    signs = np.where(labels == np.arange(num_classes)[:, None], 1.0, -1.0)
    coefficients = np.zeros((num_classes, count))
    weights, biases = np.zeros((num_classes, length)), np.zeros(num_classes)
    unsolved, rng = np.arange(num_classes), np.random.default_rng(0)
    for number in range(MOST_PASSES):
        # Per class, what the bias should at most and at least be by the clips seen in this pass.
        most, least = np.full(num_classes, np.inf), np.full(num_classes, -np.inf)
        for clips in _draw_blocks(count, rng):
            block = _read(vectors, clips, length)
            products = _multiply(block, block, np.arange(len(block)))
            margins = _multiply(weights, block, unsolved)
            changes = np.empty((len(unsolved), len(clips)))
            for row, label in enumerate(unsolved):
                before = coefficients[label, clips]
                after, lowest, highest = _solve(
                    products, margins[row], before, signs[label, clips], float(penalty)
                )
                coefficients[label, clips], changes[row] = after, after - before
                least[label] = max(least[label], lowest)
                most[label] = min(most[label], highest)
            for columns in _columns(length):
                weights[unsolved, columns] += changes.astype(np.float32) @ block[:, columns]
        biases[unsolved] = (least[unsolved] + most[unsolved]) / 2
        violations = least[unsolved] - most[unsolved]
        report(
            f"pass {number + 1}: {np.sum(violations >= TOLERANCE)} of {num_classes} classes are "
            f"not solved yet, the worst is off by {violations.max():.2g}"
        )
        unsolved = unsolved[violations >= TOLERANCE]
        if not len(unsolved):
            break
    else:
        report(f"{len(unsolved)} classes are taken as they are after {MOST_PASSES} passes")
    return weights.astype(np.float32), biases.astype(np.float32)


def _draw_blocks(count: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Yield the numbers of all clips, about BLOCK at a time, neighbours together."""
    neighbours = np.array_split(np.arange(count), -(-count // NEIGHBOURS))
    order = rng.permutation(len(neighbours))
    for group in np.array_split(order, -(-count // BLOCK)):
        yield np.concatenate([neighbours[number] for number in np.sort(group)])


def _read(vectors: Sequence, clips: np.ndarray, length: int) -> np.ndarray:
    """Return the vectors (clips, D) float32 of a block."""
    block = np.empty((len(clips), length), np.float32)
    for row, clip in zip(block, clips, strict=True):
        row[:] = vectors[clip]
    return block


def _columns(length: int) -> Iterator[slice]:
    return (slice(start, start + COLUMNS) for start in range(0, length, COLUMNS))


def _multiply(matrix: np.ndarray, block: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return the products (rows, clips) of rows of a matrix with the vectors of a block.

    Products of a few columns are float32, which is fast, and their sum is float64.
    """
    result = np.zeros((len(rows), len(block)))
    for columns in _columns(block.shape[1]):
        result += matrix[rows, columns].astype(np.float32) @ block[:, columns].T
    return result


@njit(cache=True)
def _solve(products, margins, before, signs, penalty):
    """Solve a class for the coefficients of one block, while all others stand still.

    Args:
        products: (clips, clips), of the block's vectors.
        margins: (clips,), decision values without the bias; changed in place.
        before: (clips,), coefficients to start from.
        signs: (clips,), 1 for clips of the class, else -1.
        penalty: C.

    Returns:
        The coefficients (clips,), and what the bias at the start had to be at least and at most
        for none of them to change: the first exceeds the second unless they were right.
    """
    count, coefficients = len(signs), before.copy()
    lower, upper = np.minimum(signs, 0) * penalty, np.maximum(signs, 0) * penalty
    first_least, first_most = -np.inf, np.inf
    for change in range(MOST_CHANGES * count):
        # A coefficient that can grow wants a bias of at least its residual, one that can shrink a
        # bias of at most that.
        least, most, i, j = -np.inf, np.inf, -1, -1
        for n in range(count):
            residual = signs[n] - margins[n]
            if coefficients[n] < upper[n] and residual > least:
                least, i = residual, n
            if coefficients[n] > lower[n] and residual < most:
                most = residual
        if change == 0:
            first_least, first_most = least, most
        if least - most < TOLERANCE_IN_BLOCK:
            break
        # Of the others, the one with which the objective falls most.
        best, step = 0.0, 0.0
        for n in range(count):
            difference = least - (signs[n] - margins[n])
            if coefficients[n] > lower[n] and difference > 0:
                curvature = max(products[i, i] + products[n, n] - 2 * products[i, n], 1e-12)
                if difference**2 / curvature > best:
                    best, j, step = difference**2 / curvature, n, difference / curvature
        room, other_room = upper[i] - coefficients[i], coefficients[j] - lower[j]
        step = min(step, room, other_room)
        # Bounds are met exactly.
        coefficients[i] = upper[i] if step == room else coefficients[i] + step
        coefficients[j] = lower[j] if step == other_room else coefficients[j] - step
        for n in range(count):
            margins[n] += step * (products[i, n] - products[j, n])
    return coefficients, first_least, first_most
