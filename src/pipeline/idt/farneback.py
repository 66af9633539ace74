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
EDGE = np.array(
    [0.14, 0.14, 0.4472, 0.4472, 0.4472], np.float32
)  # confidence in the pixels nearest to a border


def pyramid(height: int, width: int) -> list[tuple[np.float32, int, int]]:
    """(scale, height, width) of each level, finest first; none where a frame holds no patch.

    Scales multiply up in float32 as in the original program: in float64 one of them would get another blur.
    """
    levels, side, scale = [], np.float32(min(height, width)), np.float32(1)
    while side >= PATCH and len(levels) < SCALES:
        levels.append(
            (
                scale,
                round(float(np.float32(height) / scale)),
                round(float(np.float32(width) / scale)),
            )
        )
        side, scale = side / STRIDE, scale * STRIDE
    return levels


def expand(image: np.ndarray, levels: list) -> list[np.ndarray]:
    """Quadratic polynomials around each pixel of a grey uint8 image (H, W), at each level.

    Returns their coefficients by, bx, ayy, axx, axy: (5, h, w) float32 a level.
    """
    pixels = image.astype(np.float32)
    expansions = []
    for scale, height, width in levels:
        sigma = (float(scale) - 1) / 2
        size = max(round(sigma * 5) | 1, 3)
        level = cv2.resize(
            cv2.GaussianBlur(pixels, (size, size), sigma), (width, height)
        )  # sigma 0: by the size
        expansions.append(np.empty((5, height, width), np.float32))
        for coefficient, kernels in zip(expansions[-1], _FIT, strict=True):
            _filter(level, *kernels, coefficient)
    return expansions


def flow(before: list[np.ndarray], after: list[np.ndarray]) -> list[np.ndarray]:
    """Flow between two expanded frames at each level, (2, h, w) float32 in pixels of the level, x then y."""
    flows: list[np.ndarray] = []
    for first, second in zip(reversed(before), reversed(after), strict=True):
        height, width = first.shape[1:]
        field = np.zeros((2, height, width), np.float32)
        if flows:
            for plane, coarse in zip(field, flows[-1], strict=True):
                plane[:] = cv2.resize(coarse, (width, height)) * STRIDE
        for _ in range(ITERATIONS):
            equations = _normal_equations(first, second, field)
            averaged = np.empty_like(equations)
            for plane, mean in zip(equations, averaged, strict=True):
                _filter(plane, _WINDOW, _WINDOW, mean)
            _solve(averaged, field)
        flows.append(np.stack([cv2.medianBlur(plane, MEDIAN) for plane in field]))
    return flows[::-1]


def _fit(radius: int, sigma: float) -> list[tuple[np.ndarray, np.ndarray]]:
    """Kernels along x and along y that give each coefficient of `expand`, (2 radius + 1,) float32 each.

    The weighted moments 1, x, y, x^2, y^2, xy of a neighbourhood are G times the coefficients of c + bx x + by y + axx x^2
    + ayy y^2 + axy xy. The inverse of G has four values that count, so each coefficient is one separable filter.
    """
    offsets = np.arange(-radius, radius + 1)
    weights = np.exp(-(offsets**2) / (2 * sigma**2))
    weights /= weights.sum()
    x, y = (plane.ravel() for plane in np.meshgrid(offsets, offsets))
    basis = np.stack([np.ones_like(x), x, y, x * x, y * y, x * y]).astype(float)  # (6, n)
    inverse = np.linalg.inv((basis * np.outer(weights, weights).ravel()) @ basis.T)  # (6, 6)
    linear = weights * offsets
    square = weights * (inverse[0, 3] + inverse[3, 3] * offsets**2)
    kernels = [
        (weights, linear * inverse[1, 1]),
        (linear * inverse[1, 1], weights),
        (weights, square),
        (square, weights),
        (linear, linear * inverse[5, 5]),
    ]
    return [
        (along_x.astype(np.float32), along_y.astype(np.float32)) for along_x, along_y in kernels
    ]


def _window(radius: int) -> np.ndarray:
    """Weights (2 radius + 1,) float32 of the averaging window; its sigma is 0.3 of the radius."""
    weights = np.exp(-(np.arange(-radius, radius + 1) ** 2) / (2 * (0.3 * radius) ** 2))
    return (weights / weights.sum()).astype(np.float32)


_FIT = _fit(RADIUS, SIGMA)
_WINDOW = _window(WINDOW)


def _filter(plane: np.ndarray, along_x: np.ndarray, along_y: np.ndarray, out: np.ndarray) -> None:
    """Filter a plane (h, w) float32 into `out`; borders are repeated."""
    cv2.sepFilter2D(plane, cv2.CV_32F, along_x, along_y, dst=out, borderType=cv2.BORDER_REPLICATE)


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
                w00, w01, w10, w11 = (
                    (one - fx) * (one - fy),
                    fx * (one - fy),
                    (one - fx) * fy,
                    fx * fy,
                )
                by = (
                    w00 * second[0, y1, x1]
                    + w01 * second[0, y1, x1 + 1]
                    + w10 * second[0, y1 + 1, x1]
                    + w11 * second[0, y1 + 1, x1 + 1]
                )
                bx = (
                    w00 * second[1, y1, x1]
                    + w01 * second[1, y1, x1 + 1]
                    + w10 * second[1, y1 + 1, x1]
                    + w11 * second[1, y1 + 1, x1 + 1]
                )
                ayy = (
                    w00 * second[2, y1, x1]
                    + w01 * second[2, y1, x1 + 1]
                    + w10 * second[2, y1 + 1, x1]
                    + w11 * second[2, y1 + 1, x1 + 1]
                )
                axx = (
                    w00 * second[3, y1, x1]
                    + w01 * second[3, y1, x1 + 1]
                    + w10 * second[3, y1 + 1, x1]
                    + w11 * second[3, y1 + 1, x1 + 1]
                )
                axy = (
                    w00 * second[4, y1, x1]
                    + w01 * second[4, y1, x1 + 1]
                    + w10 * second[4, y1 + 1, x1]
                    + w11 * second[4, y1 + 1, x1 + 1]
                )
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
                by, bx, ayy, axx, axy = (
                    by * trust,
                    bx * trust,
                    ayy * trust,
                    axx * trust,
                    axy * trust,
                )
            result[0, y, x] = ayy * ayy + axy * axy
            result[1, y, x] = (ayy + axx) * axy
            result[2, y, x] = axx * axx + axy * axy
            result[3, y, x] = ayy * by + axy * bx
            result[4, y, x] = axy * by + axx * bx
    return result


@njit(cache=True, error_model="numpy")
def _solve(equations, field):
    """Solve the averaged 2 x 2 equations (5, h, w) of each pixel into `field` (2, h, w); 1e-3 keeps flat places at rest.

    No determinant is negative and no displacement longer than the picture but by rounding.
    """
    _, height, width = equations.shape
    none, guard, one, limit = (
        np.float32(0),
        np.float32(1e-3),
        np.float32(1),
        np.float32(max(height, width)),
    )
    for y in range(height):
        for x in range(width):
            g11, g12, g22 = equations[0, y, x], equations[1, y, x], equations[2, y, x]
            h1, h2 = equations[3, y, x], equations[4, y, x]
            scale = one / (max(g11 * g22 - g12 * g12, none) + guard)
            field[0, y, x] = min(max((g11 * h2 - g12 * h1) * scale, -limit), limit)
            field[1, y, x] = min(max((g22 * h1 - g12 * h2) * scale, -limit), limit)
