"""The confusion of classes: brought to an order in which confused ones are neighbours, in words."""

import numpy as np

from pipeline.errors import PipelineError
from pipeline.report import mistakes
from pipeline.report.page.found import Found
from pipeline.report.text import NAMES

# Pairs that are told in words.
PAIRS = 20
# Up to so many classes the order is the best one that their tree allows, which takes longer.
MOST_ORDERED_BEST = 200


def confusion(found: Found) -> dict:
    """The order of the classes, and the cells that are not 0 as [true, predicted, clips].

    Raises PipelineError where the result has no confusion matrix.
    """
    matrix, classes = mistakes.confusion({"confusion": found.part("confusion")})
    if not classes:
        raise PipelineError("The confusion matrix of this result cannot be read.")
    rows, columns = np.nonzero(matrix)
    return {
        "name": NAMES.get(found.headline, found.headline),
        "classes": classes,
        "order": similar_order(matrix),
        "totals": matrix.sum(axis=1).tolist(),
        "cells": np.stack([rows, columns, matrix[rows, columns]], axis=1).tolist(),
        "pairs": _pairs(matrix, classes),
        "wrong": int(matrix.sum() - np.trace(matrix)),
    }


def similar_order(matrix: np.ndarray) -> list[int]:
    """An order of the classes in which those that are confused are neighbours.

    `matrix` (classes, classes) has counts. Classes are joined by the share of clips that either
    loses to the other, into a tree by mean distances (UPGMA), whose leaves give the order.
    """
    count = len(matrix)
    if count < 3 or matrix.sum() == np.trace(matrix):
        return list(range(count))
    from scipy.cluster.hierarchy import leaves_list, linkage
    from scipy.spatial.distance import squareform

    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    alike = shares + shares.T
    np.fill_diagonal(alike, 0)
    distance = 2 - alike
    np.fill_diagonal(distance, 0)
    best = count <= MOST_ORDERED_BEST
    tree = linkage(squareform(distance, checks=False), "average", optimal_ordering=best)
    return leaves_list(tree).tolist()


def _pairs(matrix: np.ndarray, classes: list[str]) -> list[dict]:
    """The pairs of which most clips are confused, the most first."""
    return [
        {
            "label": true,
            "predicted_label": predicted,
            "true": classes[true],
            "predicted": classes[predicted],
            "clips": int(matrix[true, predicted]),
            "of": int(matrix[true].sum()),
        }
        for true, predicted in mistakes.confused_pairs(matrix)[:PAIRS]
    ]
