"""Histograms of gradients (HOG), of flow (HOF) and of motion boundaries (MBH) around a point.

For each of the four histograms an integral image is computed once per frame. From it, those of the
2 x 2 cells around any point cost a few sums (Wang, Klaeser, Schmid, Liu, IJCV 2013, section 3).
"""

import cv2
import numpy as np
from numba import njit

# Directions of a histogram.
BINS = 8
# Pixels along a side of the square around a point, and cells along it.
PATCH, CELLS = 32, 2
CELL = PATCH // CELLS
# Bins of HOG, HOF, MBHx and MBHy. HOF has one more, for pixels without motion.
HISTOGRAMS = (BINS, BINS + 1, BINS, BINS)
# Where each descriptor begins among the values of a point, and where the last one ends.
OFFSETS = np.cumsum((0, *(CELLS**2 * bins for bins in HISTOGRAMS)))
# Values of a point: 32 + 36 + 32 + 32.
SIZE = int(OFFSETS[-1])
# Pixels; slower flow counts as no motion.
MIN_FLOW = np.float32(0.4)
# Added to each bin before normalisation.
EPSILON = np.float32(0.05)


def integral_histograms(image: np.ndarray, flow: np.ndarray) -> tuple[np.ndarray, ...]:
    """Return the integral histograms of HOG, HOF, MBHx and MBHy of one frame.

    `image`: grey, (h, w) uint8; `flow`: its flow (2, h, w) float32 in pixels, x then y. Each result
    is (h + 1, w + 1, bins) float32.
    """
    vectors = _gradient(image), tuple(flow), _gradient(flow[0]), _gradient(flow[1])
    return tuple(
        _integrate(*cv2.cartToPolar(*xy), bins)
        for xy, bins in zip(vectors, HISTOGRAMS, strict=True)
    )


def _gradient(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the differences (h, w) float32 of a pixel's two neighbours, along x and along y.

    They are not halved, and zero across the border.
    """
    return cv2.Sobel(image, cv2.CV_32F, 1, 0, ksize=1), cv2.Sobel(image, cv2.CV_32F, 0, 1, ksize=1)


@njit(cache=True, error_model="numpy")
def _integrate(length, angle, bins):
    """Return (h + 1, w + 1, bins): at (y, x) the histogram of all vectors above and left of it.

    `length` and `angle` (radians) of the vectors are (h, w). A vector shares its length out to the
    two nearest of 8 directions. Where there is a ninth bin, a vector of at most MIN_FLOW adds 1 to
    that one instead.
    """
    height, width = length.shape
    result = np.zeros((height + 1, width + 1, bins), np.float32)
    per_radian = np.float32(BINS / (2 * np.pi))
    # The histogram of the row, up to the pixel.
    row = np.empty(bins, np.float32)
    for y in range(height):
        row[:] = 0
        above, below = result[y], result[y + 1]
        for x in range(width):
            total = length[y, x]
            if bins > BINS and total <= MIN_FLOW:
                row[BINS] += np.float32(1)
            else:
                position = angle[y, x] * per_radian
                # `lower` is 8 by rounding only, and then direction 0 is meant.
                lower = int(position)
                share = (position - np.float32(lower)) * total
                row[lower & (BINS - 1)] += total - share
                row[(lower + 1) & (BINS - 1)] += share
            for b in range(bins):
                below[x + 1, b] = above[x + 1, b] + row[b]
    return result


def describe(integrals: tuple[np.ndarray, ...], points: np.ndarray) -> np.ndarray:
    """Return the descriptors (n, SIZE) float32 around points, in the order of HISTOGRAMS.

    `integrals`: from `integral_histograms`; `points`: (n, 2) int, x and y in pixels.
    """
    result = np.empty((len(points), SIZE), np.float32)
    for integral, start, end in zip(integrals, OFFSETS, OFFSETS[1:], strict=False):
        _describe(integral, points, result[:, start:end])
    return result


@njit(cache=True, error_model="numpy")
def _describe(integral, points, result):
    """Write the histograms of the cells around each point to `result` (n, CELLS^2 bins).

    They are normalised to a sum of 1 over all cells, of which then the square root is taken; cells
    of one column follow one another. A patch that would reach over the border of the picture is
    moved inside.
    """
    height, width, bins = integral.shape
    for n in range(len(points)):
        left = min(max(points[n, 0] - PATCH // 2, 0), width - 1 - PATCH)
        top = min(max(points[n, 1] - PATCH // 2, 0), height - 1 - PATCH)
        values, i, total = result[n], 0, np.float32(0)
        for column in range(CELLS):
            for row in range(CELLS):
                x0, y0 = left + column * CELL, top + row * CELL
                for b in range(bins):
                    cell_sum = (
                        integral[y0 + CELL, x0 + CELL, b]
                        + integral[y0, x0, b]
                        - integral[y0 + CELL, x0, b]
                        - integral[y0, x0 + CELL, b]
                    )
                    values[i] = max(cell_sum, np.float32(0)) + EPSILON
                    total += values[i]
                    i += 1
        for j in range(i):
            values[j] = np.sqrt(values[j] / total)
