"""The image pyramid of the solvers: its sizes, and where linear interpolation reads (OpenCV's conventions)."""

from functools import cache

import numpy as np

SMALLEST = 16  # pixels; no level of the pyramid is smaller in either direction


def sizes(height: int, width: int, scales: int, step: float) -> list[tuple[int, int]]:
    """(H, W) of each level, finest first, each `step` times the one before, rounded half to even."""
    found = [(height, width)]
    while len(found) < scales:
        level = tuple(round(side * step) for side in found[-1])
        if min(level) < SMALLEST:
            break
        found.append(level)
    return found


@cache
def taps(source: int, target: int, step: float | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Of each of `target` pixels: the first of the two that it lies between among `source`, and the second's share.

    `step` is the scale, target over source unless given. Pixels are squares of side 1 (half-pixel centres).
    Returns (target,) int32 and (target,) float32.
    """
    place = ((np.arange(target) + 0.5) / (step or target / source) - 0.5).astype(np.float32)
    first = np.floor(place).astype(np.int32)
    share = place - first.astype(np.float32)
    share[(first < 0) | (first >= source - 1)] = 0
    return np.clip(first, 0, source - 1), share
