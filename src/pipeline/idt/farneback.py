"""Dense flow at every scale of a pyramid, as improved trajectories compute it (Farneback, SCIA 2003).

It differs from OpenCV's calcOpticalFlowFarneback in what trajectories notice: the scales are sqrt(2) apart, the window is
Gaussian, a median filter cleans the flow of each scale before the next finer one starts from it, and every scale's flow is
kept. A frame is expanded once and serves for the pairs before and after it.
"""

import cv2
import numpy as np
from numba import njit

STRIDE = np.float32(np.sqrt(2))  # between two scales
SCALES = 8  # at most
PATCH = 32  # pixels; the coarsest scale still holds a patch to describe
RADIUS, SIGMA = 7, 1.5  # of the neighbourhood that a polynomial fits
WINDOW = 5  # radius over which displacements are averaged: half the program's 10
ITERATIONS = 2
MEDIAN = 5
EDGE = np.array([0.14, 0.14, 0.4472, 0.4472, 0.4472], np.float32)  # confidence in the pixels nearest to a border


def pyramid(height: int, width: int) -> list[tuple[np.float32, int, int]]:
    """(scale, height, width) of each level, finest first; none where a frame holds no patch.

    Scales multiply up in float32 as in the original program: in float64 one of them would get another blur.
    """
    levels, side, scale = [], np.float32(min(height, width)), np.float32(1)
    while side >= PATCH and len(levels) < SCALES:
        levels.append((scale, round(float(np.float32(height) / scale)), round(float(np.float32(width) / scale))))
        side, scale = side / STRIDE, scale * STRIDE
    return levels


def expand(image: np.ndarray, levels: list) -> list[np.ndarray]:
    """Polynomial expansion of a grey uint8 image (H, W) at each level: (5, h, w) float32, see `_expand`."""
    pixels = image.astype(np.float32)
    expansions = []
    for scale, height, width in levels:
        sigma = (float(scale) - 1) / 2
        size = max(round(sigma * 5) | 1, 3)
        blurred = cv2.GaussianBlur(pixels, (size, size), sigma)  # sigma 0: by the size
        expansions.append(_expand(cv2.resize(blurred, (width, height)), *_FIT))
    return expansions


def flow(before: list[np.ndarray], after: list[np.ndarray]) -> list[np.ndarray]:
    """Flow between two expanded frames at each level, (2, h, w) float32 in pixels of the level, x then y."""
    flows = []
    for first, second in zip(reversed(before), reversed(after), strict=True):
        height, width = first.shape[1:]
        if flows:
            field = np.stack([cv2.resize(plane, (width, height)) for plane in flows[-1]]) * STRIDE
        else:
            field = np.zeros((2, height, width), np.float32)
        for _ in range(ITERATIONS):
            _solve(_blur(_normal_equations(first, second, field), _WINDOW), field)
        flows.append(np.stack([cv2.medianBlur(plane, MEDIAN) for plane in field]))
    return flows[::-1]


def _fit(radius: int, sigma: float) -> tuple[np.ndarray, np.ndarray]:
    """Gaussian weights (radius + 1,) of the fit, and what turns moments into coefficients, both float32.

    The moments 1, x, y, x^2, y^2, xy of a neighbourhood are G times the coefficients of r(x, y) = c + bx x + by y + axx x^2
    + ayy y^2 + axy xy; G is sparse, and its inverse has four values that count.
    """
    offsets = np.arange(-radius, radius + 1)
    weights = np.exp(-(offsets**2) / (2 * sigma**2))
    weights /= weights.sum()
    x, y = (plane.ravel() for plane in np.meshgrid(offsets, offsets))
    basis = np.stack([np.ones_like(x), x, y, x * x, y * y, x * y]).astype(float)  # (6, n)
    inverse = np.linalg.inv((basis * np.outer(weights, weights).ravel()) @ basis.T)  # (6, 6)
    counted = inverse[1, 1], inverse[0, 3], inverse[3, 3], inverse[5, 5]
    return weights[radius:].astype(np.float32), np.array(counted, np.float32)


def _window(radius: int) -> np.ndarray:
    """Weights (radius + 1,) of the averaging window, from the centre outwards; sigma is 0.3 of the radius."""
    weights = np.exp(-(np.arange(radius + 1) ** 2) / (2 * (0.3 * radius) ** 2))
    return (weights / (2 * weights.sum() - 1)).astype(np.float32)


_FIT = _fit(RADIUS, SIGMA)
_WINDOW = _window(WINDOW)


@njit(cache=True, error_model="numpy")
def _expand(image, weights, inverse):
    """Coefficients by, bx, ayy, axx, axy (5, h, w) of the polynomial around each pixel; borders are repeated."""
    height, width = image.shape
    radius = len(weights) - 1
    result = np.empty((5, height, width), np.float32)
    moments = np.empty((3, width + 2 * radius), np.float32)  # of a column: sums of w, w y, w y^2
    sums = np.empty((6, width), np.float32)
    for y in range(height):
        for x in range(width):
            moments[0, radius + x] = weights[0] * image[y, x]
            moments[1, radius + x] = 0
            moments[2, radius + x] = 0
        for k in range(1, radius + 1):
            above, below = image[max(y - k, 0)], image[min(y + k, height - 1)]
            w, wy, wyy = weights[k], weights[k] * np.float32(k), weights[k] * np.float32(k * k)
            for x in range(width):
                both = above[x] + below[x]
                moments[0, radius + x] += w * both
                moments[1, radius + x] += wy * (below[x] - above[x])
                moments[2, radius + x] += wyy * both
        for m in range(3):
            for k in range(radius):
                moments[m, k] = moments[m, radius]
                moments[m, radius + width + k] = moments[m, radius + width - 1]
        for x in range(width):
            sums[0, x] = weights[0] * moments[0, radius + x]  # 1
            sums[1, x] = 0  # x
            sums[2, x] = weights[0] * moments[1, radius + x]  # y
            sums[3, x] = 0  # x^2
            sums[4, x] = weights[0] * moments[2, radius + x]  # y^2
            sums[5, x] = 0  # xy
        for k in range(1, radius + 1):
            w, wx, wxx = weights[k], weights[k] * np.float32(k), weights[k] * np.float32(k * k)
            for x in range(width):
                left, right = moments[0, radius + x - k], moments[0, radius + x + k]
                sums[0, x] += w * (left + right)
                sums[1, x] += wx * (right - left)
                sums[3, x] += wxx * (left + right)
                left, right = moments[1, radius + x - k], moments[1, radius + x + k]
                sums[2, x] += w * (left + right)
                sums[5, x] += wx * (right - left)
                sums[4, x] += w * (moments[2, radius + x - k] + moments[2, radius + x + k])
        for x in range(width):
            result[0, y, x] = sums[2, x] * inverse[0]
            result[1, y, x] = sums[1, x] * inverse[0]
            result[2, y, x] = sums[0, x] * inverse[1] + sums[4, x] * inverse[2]
            result[3, y, x] = sums[0, x] * inverse[1] + sums[3, x] * inverse[2]
            result[4, y, x] = sums[5, x] * inverse[3]
    return result


@njit(cache=True, error_model="numpy")
def _normal_equations(first, second, field):
    """The least squares for a displacement at each pixel, (5, h, w): G11, G12, G22, h1, h2, y before x.

    Farneback (2003), eqs. 9-11: A is the mean of both frames' quadratic terms, the second taken where `field` leads, and
    the difference of their linear terms, plus A times `field`, is what A times the displacement must be.
    """
    _, height, width = first.shape
    half, quarter, one = np.float32(0.5), np.float32(0.25), np.float32(1)
    result = np.empty((5, height, width), np.float32)
    for y in range(height):
        for x in range(width):
            dx, dy = field[0, y, x], field[1, y, x]
            fx, fy = np.float32(x) + dx, np.float32(y) + dy
            x1, y1 = int(np.floor(fx)), int(np.floor(fy))
            if 0 <= x1 < width - 1 and 0 <= y1 < height - 1:
                fx -= np.float32(x1)
                fy -= np.float32(y1)
                w00, w01, w10, w11 = (one - fx) * (one - fy), fx * (one - fy), (one - fx) * fy, fx * fy
                by = w00 * second[0, y1, x1] + w01 * second[0, y1, x1 + 1] + w10 * second[0, y1 + 1, x1] + \
                    w11 * second[0, y1 + 1, x1 + 1]
                bx = w00 * second[1, y1, x1] + w01 * second[1, y1, x1 + 1] + w10 * second[1, y1 + 1, x1] + \
                    w11 * second[1, y1 + 1, x1 + 1]
                ayy = w00 * second[2, y1, x1] + w01 * second[2, y1, x1 + 1] + w10 * second[2, y1 + 1, x1] + \
                    w11 * second[2, y1 + 1, x1 + 1]
                axx = w00 * second[3, y1, x1] + w01 * second[3, y1, x1 + 1] + w10 * second[3, y1 + 1, x1] + \
                    w11 * second[3, y1 + 1, x1 + 1]
                axy = w00 * second[4, y1, x1] + w01 * second[4, y1, x1 + 1] + w10 * second[4, y1 + 1, x1] + \
                    w11 * second[4, y1 + 1, x1 + 1]
                ayy = (first[2, y, x] + ayy) * half
                axx = (first[3, y, x] + axx) * half
                axy = (first[4, y, x] + axy) * quarter
            else:  # the field leads out of the frame
                by = bx = np.float32(0)
                ayy, axx, axy = first[2, y, x], first[3, y, x], first[4, y, x] * half
            by = (first[0, y, x] - by) * half + ayy * dy + axy * dx
            bx = (first[1, y, x] - bx) * half + axy * dy + axx * dx
            border_x, border_y = min(x, width - 1 - x), min(y, height - 1 - y)
            if border_x < len(EDGE) or border_y < len(EDGE):
                trust = one
                if border_x < len(EDGE):
                    trust *= EDGE[border_x]
                if border_y < len(EDGE):
                    trust *= EDGE[border_y]
                by, bx, ayy, axx, axy = by * trust, bx * trust, ayy * trust, axx * trust, axy * trust
            result[0, y, x] = ayy * ayy + axy * axy
            result[1, y, x] = (ayy + axx) * axy
            result[2, y, x] = axx * axx + axy * axy
            result[3, y, x] = ayy * by + axy * bx
            result[4, y, x] = axy * by + axx * bx
    return result


@njit(cache=True, error_model="numpy")
def _blur(planes, weights):
    """`planes` (n, h, w) under a symmetric separable window, `weights` from its centre outwards; borders are repeated."""
    count, height, width = planes.shape
    radius = len(weights) - 1
    result = np.empty_like(planes)
    line = np.empty(width + 2 * radius, np.float32)
    for n in range(count):
        for y in range(height):
            centre, out = planes[n, y], result[n, y]
            for x in range(width):
                line[radius + x] = weights[0] * centre[x]
            for k in range(1, radius + 1):
                above, below, w = planes[n, max(y - k, 0)], planes[n, min(y + k, height - 1)], weights[k]
                for x in range(width):
                    line[radius + x] += w * (above[x] + below[x])
            for k in range(radius):
                line[k] = line[radius]
                line[radius + width + k] = line[radius + width - 1]
            for x in range(width):
                out[x] = weights[0] * line[radius + x]
            for k in range(1, radius + 1):
                w = weights[k]
                for x in range(width):
                    out[x] += w * (line[radius + x - k] + line[radius + x + k])
    return result


@njit(cache=True, error_model="numpy")
def _solve(equations, field):
    """Solve the averaged 2 x 2 equations of each pixel into `field` (2, h, w); 1e-3 keeps flat places at rest."""
    _, height, width = equations.shape
    guard, one = np.float32(1e-3), np.float32(1)
    for y in range(height):
        for x in range(width):
            g11, g12, g22 = equations[0, y, x], equations[1, y, x], equations[2, y, x]
            h1, h2 = equations[3, y, x], equations[4, y, x]
            scale = one / (g11 * g22 - g12 * g12 + guard)
            field[0, y, x] = (g11 * h2 - g12 * h1) * scale
            field[1, y, x] = (g22 * h1 - g12 * h2) * scale
