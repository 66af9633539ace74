"""A random sample of the trajectories of one clip, from a window of its frames."""

import hashlib
from collections.abc import Iterator

import numpy as np

from pipeline.idt.extract import COLUMNS


def clip_rng(seed: int, clip: str) -> np.random.Generator:
    """Return the generator of a clip's random numbers.

    It is seeded by the clip's id and `seed`, so that the other clips of a shard do not matter.
    """
    return np.random.default_rng(
        [seed, int.from_bytes(hashlib.sha256(clip.encode()).digest()[:8], "big")]
    )


def choose_window(frames: int, length: int, rng: np.random.Generator) -> tuple[int, int]:
    """Return the first frame of a random window of a clip, and the first one after it.

    The window has `length` of the `frames` frames of the clip; it has all of them where `length`
    is 0 or too large.
    """
    length = min(length or frames, frames)
    first = int(rng.integers(frames - length + 1))
    return first, first + length


def draw_sample(batches: Iterator[np.ndarray], count: int, rng: np.random.Generator) -> np.ndarray:
    """Return up to `count` of all rows (n, 436), each with equal probability, in their order.

    Memory holds only these rows and one batch.
    """
    # Every row gets a random key, and the rows with the smallest keys stay.
    kept, keys = np.empty((0, COLUMNS), np.float32), np.empty(0)
    for rows in batches:
        kept, keys = np.concatenate([kept, rows]), np.concatenate([keys, rng.random(len(rows))])
        if len(kept) > count:
            chosen = np.sort(np.argpartition(keys, count)[:count])
            kept, keys = kept[chosen], keys[chosen]
    return kept
