"""Choose the clip and the random numbers of each training sample.

Both follow from the seed and the number of the sample alone, so that training can resume at any
sample, and any number of workers give the same samples.
"""

from functools import lru_cache

import numpy as np

# The second word of each random seed: what the numbers are drawn for.
_FOR_SAMPLE, _FOR_EPOCH, _FOR_FRACTION = 0, 1, 2


def clip_index(num_clips: int, seed: int, sample: int) -> int:
    """Return the clip of training sample number `sample`, counted over all epochs.

    Each epoch has every clip once, in a shuffled order of its own.
    """
    epoch, position = divmod(sample, num_clips)
    return int(_epoch_order(num_clips, seed, epoch)[position])


# Cached, because to shuffle 10,000 clips takes as long as to read some of them.
@lru_cache(maxsize=2)
def _epoch_order(num_clips: int, seed: int, epoch: int) -> np.ndarray:
    """Return the order (num_clips,) of the clips in an epoch."""
    return np.random.default_rng([seed, _FOR_EPOCH, epoch]).permutation(num_clips)


def sample_rng(seed: int, sample: int) -> np.random.Generator:
    """Return the random number generator of training sample number `sample`."""
    return np.random.default_rng([seed, _FOR_SAMPLE, sample])


def class_fraction(rows: list[dict], fraction: float, seed: int) -> list[dict]:
    """Choose a random `fraction` of the rows of each class, at least one; keep their order."""
    rows_by_class: dict[str, list[int]] = {}
    for position, row in enumerate(rows):
        rows_by_class.setdefault(row["class"], []).append(position)
    chosen = set()
    for number, positions in enumerate(rows_by_class.values()):
        rng = np.random.default_rng([seed, _FOR_FRACTION, number])
        order = rng.permutation(len(positions))
        count = max(1, round(fraction * len(positions)))
        chosen.update(positions[i] for i in order[:count])
    return [row for position, row in enumerate(rows) if position in chosen]
