"""Histograms of gradients (HOG), of flow (HOF) and of motion boundaries (MBH) in the cells around a point.

Per frame, each of the four histograms is summed over the whole picture once (an integral image), so that those of any
point's 2 x 2 cells cost a few sums (Wang, Klaeser, Schmid, Liu, IJCV 2013, section 3).
"""

import cv2
import numpy as np
from numba import njit

BINS = 8  # directions
PATCH, CELLS = 32, 2  # pixels of the square around a point, cells along one of its sides
CELL = PATCH // CELLS
HISTOGRAMS = (
    BINS,
    BINS + 1,
    BINS,
    BINS,
)  # bins of HOG, HOF (one more for no motion), MBH of x and of y
EDGES = np.cumsum(
    (0, *(CELLS**2 * bins for bins in HISTOGRAMS))
)  # where each begins among the values of a point
WIDTH = int(EDGES[-1])  # 32 + 36 + 32 + 32
STILL = np.float32(0.4)  # pixels; slower flow counts as none
FLOOR = np.float32(0.05)  # added to each bin


def integrals(image: np.ndarray, flow: np.ndarray) -> tuple[np.ndarray, ...]:
    """Integral histograms (h + 1, w + 1, bins) float32 of HOG, HOF, MBHx, MBHy: of a grey image and its flow (2, h, w)."""
    fields = _gradient(image), tuple(flow), _gradient(flow[0]), _gradient(flow[1])
    return tuple(
        _integral(*cv2.cartToPolar(*field), bins)
        for field, bins in zip(fields, HISTOGRAMS, strict=True)
    )


def _gradient(plane: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Central differences (h, w) float32 along x and along y, undivided; none across the border."""
    return cv2.Sobel(plane, cv2.CV_32F, 1, 0, ksize=1), cv2.Sobel(plane, cv2.CV_32F, 0, 1, ksize=1)


@njit(cache=True, error_model="numpy")
def _integral(length, angle, bins):
    """Sums (h + 1, w + 1, bins) over all pixels above and left of a field's lengths, by its angles (h, w) in radians.

    A length is shared by the two nearest of 8 directions; with a ninth bin, vectors of at most STILL count 1 there instead.
    """
    height, width = length.shape
    result = np.zeros((height + 1, width + 1, bins), np.float32)
    per_radian = np.float32(BINS / (2 * np.pi))
    line = np.empty(bins, np.float32)  # of the row, up to the pixel
    for y in range(height):
        line[:] = 0
        above, here = result[y], result[y + 1]
        for x in range(width):
            whole = length[y, x]
            if bins > BINS and whole <= STILL:
                line[BINS] += np.float32(1)
            else:
                place = angle[y, x] * per_radian
                lower = int(place)  # 8 only by rounding: then it is 0
                part = (place - np.float32(lower)) * whole
                line[lower & (BINS - 1)] += whole - part
                line[(lower + 1) & (BINS - 1)] += part
            for b in range(bins):
                here[x + 1, b] = above[x + 1, b] + line[b]
    return result


def describe(sums: tuple[np.ndarray, ...], places: np.ndarray) -> np.ndarray:
    """The histograms around pixels (n, 2), x and y, out of `integrals`: (n, WIDTH) float32, in the order of HISTOGRAMS."""
    result = np.empty((len(places), WIDTH), np.float32)
    for integral, start, end in zip(sums, EDGES, EDGES[1:], strict=False):
        _describe(integral, places, result[:, start:end])
    return result


@njit(cache=True, error_model="numpy")
def _describe(integral, places, result):
    """Write the root of the L1-normalised histograms of the cells around each pixel, columns of cells first, to `result`.

    A patch is moved into the picture where it would reach over its border.
    """
    height, width, bins = integral.shape
    for n in range(len(places)):
        left = min(max(places[n, 0] - PATCH // 2, 0), width - 1 - PATCH)
        top = min(max(places[n, 1] - PATCH // 2, 0), height - 1 - PATCH)
        out, place, total = result[n], 0, np.float32(0)
        for column in range(CELLS):
            for row in range(CELLS):
                x0, y0 = left + column * CELL, top + row * CELL
                for b in range(bins):
                    mass = (
                        integral[y0 + CELL, x0 + CELL, b]
                        + integral[y0, x0, b]
                        - integral[y0 + CELL, x0, b]
                        - integral[y0, x0 + CELL, b]
                    )
                    out[place] = max(mass, np.float32(0)) + FLOOR
                    total += out[place]
                    place += 1
        for i in range(place):
            out[i] = np.sqrt(out[i] / total)
