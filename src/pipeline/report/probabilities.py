"""Scores as probabilities, for people: what a source or a fusion says of each class."""

from collections.abc import Collection

import numpy as np
from scipy.special import softmax

from pipeline.streams import DIRECTIONS, STREAMS


def as_probabilities(
    name: str, values: np.ndarray, sources: Collection[str], space: str, fusion: dict
) -> np.ndarray:
    """(.., classes) scores of a source or a fusion as numbers from 0 to 1 whose sum is 1.

    `sources` are those that have scores of their own, `space` is what the scores of networks are
    ('logits' or 'softmax'), and `fusion` is how a result fuses them, as it states it. The order of
    the classes is that of the scores. Sums of standardised scores are first given the spread that
    the logits of their networks have, on average; a sum of probabilities is divided by its weights.
    Decision values of trajectories are taken as logits.
    """
    if name in sources:
        is_probability = name != "idt" and space == "softmax"
        return values if is_probability else softmax(values, axis=-1)
    parts = DIRECTIONS if name.startswith("asyn") else STREAMS
    weights = [fusion["weights"][part] for part in parts]
    if fusion["rule"] == "standardised":
        total = 1 if name == "asyn_idt" else sum(weights)
        spread = float(np.mean([fusion["spreads"][part] for part in parts]))
        return softmax(values / total * spread, axis=-1)
    return softmax(values, axis=-1) if name == "asyn_idt" else values / sum(weights)
