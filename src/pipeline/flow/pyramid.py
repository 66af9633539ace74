"""The solvers' image pyramid, by OpenCV's conventions: its sizes, and how images are resized."""

from functools import cache

import numpy as np

# Pixels. No level of the pyramid is smaller in either direction.
SMALLEST = 16


def sizes(height: int, width: int, scales: int, step: float) -> list[tuple[int, int]]:
    """Return (H, W) of each level, finest first; there are at most `scales` levels.

    Each level is `step` times the level before, rounded half to even.
    """
    levels = [(height, width)]
    while len(levels) < scales:
        level = tuple(round(side * step) for side in levels[-1])
        if min(level) < SMALLEST:
            break
        levels.append(level)
    return levels


@cache
def taps(source: int, target: int, step: float | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Return where linear interpolation along one axis reads, from `source` to `target` pixels.

    Each target pixel lies between two neighbouring source pixels. Returned are the index of the
    first of them, (target,) int32, and the weight of the second, (target,) float32. `step` is the
    scale factor; by default it is target / source. Pixels are squares of side 1, so their centres
    lie at half integers.
    """
    position = ((np.arange(target) + 0.5) / (step or target / source) - 0.5).astype(np.float32)
    first = np.floor(position).astype(np.int32)
    weight = position - first.astype(np.float32)
    # Beyond the outermost centres the outermost pixel is repeated.
    weight[(first < 0) | (first >= source - 1)] = 0
    return np.clip(first, 0, source - 1), weight
