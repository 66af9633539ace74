"""A clip's sample of trajectories for the codebook: seeded, bounded, from a window of its frames."""

import hashlib
from collections.abc import Iterator

import numpy as np

from pipeline.idt.extract import COLUMNS


def rng_of(seed: int, clip: str) -> np.random.Generator:
    """The random numbers of a clip: they do not depend on the other clips of its shard."""
    return np.random.default_rng(
        [seed, int.from_bytes(hashlib.sha256(clip.encode()).digest()[:8], "big")]
    )


def window(frames: int, length: int, rng: np.random.Generator) -> tuple[int, int]:
    """The first frame of a window of `length` somewhere in a clip, and the first after it; 0 or too many are all frames."""
    length = min(length or frames, frames)
    first = int(rng.integers(frames - length + 1))
    return first, first + length


def draw(batches: Iterator[np.ndarray], count: int, rng: np.random.Generator) -> np.ndarray:
    """Up to `count` of all rows (n, 436), each as likely; no more than these and a batch are held."""
    kept, keys = np.empty((0, COLUMNS), np.float32), np.empty(0)
    for rows in batches:  # the rows with the least of random keys stay
        kept, keys = np.concatenate([kept, rows]), np.concatenate([keys, rng.random(len(rows))])
        if len(kept) > count:
            chosen = np.sort(np.argpartition(keys, count)[:count])
            kept, keys = kept[chosen], keys[chosen]
    return kept
