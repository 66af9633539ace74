"""Histograms of gradients (HOG), of flow (HOF) and of motion boundaries (MBH) in the cells around a point.

Per frame, each of the four histograms is summed over the whole picture once (an integral image), so that those of any
point's 2 x 2 cells cost a few sums (Wang, Klaeser, Schmid, Liu, IJCV 2013, section 3).
"""

import numpy as np
from numba import njit

BINS = 8  # directions
PATCH, CELLS = 32, 2  # pixels of the square around a point, cells along one of its sides
CELL = PATCH // CELLS
HISTOGRAMS = (BINS, BINS + 1, BINS, BINS)  # bins of HOG, HOF (one more for no motion), MBH of x and of y
WIDTH = CELLS * CELLS * sum(HISTOGRAMS)  # values of a point in one frame: 32 + 36 + 32 + 32
STILL = np.float32(0.4)  # pixels; slower flow counts as none
FLOOR = np.float32(0.05)  # added to each bin


def integrals(image: np.ndarray, flow: np.ndarray) -> tuple[np.ndarray, ...]:
    """Integral histograms (h + 1, w + 1, bins) float32 of HOG, HOF, MBHx and MBHy; of a grey image and its flow (2, h, w)."""
    x, y = flow
    return (_integral(*_gradient(image.astype(np.float32)), BINS), _integral(x, y, BINS + 1),
            _integral(*_gradient(x), BINS), _integral(*_gradient(y), BINS))


@njit(cache=True, error_model="numpy")
def _gradient(plane):
    """Central differences (h, w) along x and along y, undivided; none across the border."""
    height, width = plane.shape
    along_x, along_y = np.zeros_like(plane), np.zeros_like(plane)
    for y in range(height):
        for x in range(1, width - 1):
            along_x[y, x] = plane[y, x + 1] - plane[y, x - 1]
    for y in range(1, height - 1):
        for x in range(width):
            along_y[y, x] = plane[y + 1, x] - plane[y - 1, x]
    return along_x, along_y


@njit(cache=True, error_model="numpy")
def _integral(x_plane, y_plane, bins):
    """Sums (h + 1, w + 1, bins) over all pixels above and left: lengths of the vectors by direction.

    A length is shared by the two nearest of 8 directions; with a ninth bin, vectors of at most STILL count 1 there instead.
    """
    height, width = x_plane.shape
    result = np.zeros((height + 1, width + 1, bins), np.float32)
    turn = np.float32(BINS / (2 * np.pi))
    for y in range(height):
        line = np.zeros(bins, np.float32)
        for x in range(width):
            vx, vy = x_plane[y, x], y_plane[y, x]
            length = np.sqrt(vx * vx + vy * vy)
            if bins > BINS and length <= STILL:
                line[BINS] += np.float32(1)
            else:
                place = np.float32(np.arctan2(vy, vx)) * turn
                if place < 0:
                    place += np.float32(BINS)
                lower = min(int(place), BINS - 1)
                upper_part = (place - np.float32(lower)) * length
                line[lower] += length - upper_part
                line[(lower + 1) % BINS] += upper_part
            for b in range(bins):
                result[y + 1, x + 1, b] = result[y, x + 1, b] + line[b]
    return result


@njit(cache=True, error_model="numpy")
def describe(integral, x, y, out):
    """Write the root of the L1-normalised histograms of the cells around pixel (x, y), columns of cells first, to `out`.

    The patch is moved into the picture where it would reach over its border.
    """
    height, width, bins = integral.shape
    left, top = min(max(x - PATCH // 2, 0), width - 1 - PATCH), min(max(y - PATCH // 2, 0), height - 1 - PATCH)
    place, total = 0, np.float32(0)
    for column in range(CELLS):
        for row in range(CELLS):
            x0, y0 = left + column * CELL, top + row * CELL
            for b in range(bins):
                mass = integral[y0 + CELL, x0 + CELL, b] + integral[y0, x0, b] - integral[y0 + CELL, x0, b] - \
                    integral[y0, x0 + CELL, b]
                out[place] = max(mass, np.float32(0)) + FLOOR
                total += out[place]
                place += 1
    for i in range(place):
        out[i] = np.sqrt(out[i] / total)
