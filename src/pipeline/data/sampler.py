"""Which clip each training sample is of, and its random numbers."""

from functools import lru_cache

import numpy as np


def clip_index(count: int, seed: int, draw: int) -> int:
    """The clip of draw number `draw`: shuffled epochs, each of the `count` clips once an epoch."""
    epoch, place = divmod(draw, count)
    return int(_epoch_order(count, seed, epoch)[place])


@lru_cache(maxsize=2)
def _epoch_order(count: int, seed: int, epoch: int) -> np.ndarray:
    """The order of an epoch's clips: kept, as shuffling 10,000 takes as long as to read some of them."""
    return np.random.default_rng([seed, 1, epoch]).permutation(count)


def sample_rng(seed: int, draw: int) -> np.random.Generator:
    """The random numbers of draw number `draw`."""
    return np.random.default_rng([seed, 0, draw])


def class_fraction(rows: list[dict], share: float, seed: int) -> list[dict]:
    """A random `share` of the rows of each class, at least one; in the order of `rows`."""
    by_class: dict[str, list[int]] = {}
    for place, row in enumerate(rows):
        by_class.setdefault(row["class"], []).append(place)
    chosen = set()
    for number, places in enumerate(by_class.values()):
        order = np.random.default_rng([seed, 2, number]).permutation(len(places))
        chosen.update(places[i] for i in order[: max(1, round(share * len(places)))])
    return [row for place, row in enumerate(rows) if place in chosen]
