"""Dense flow at every scale, as improved trajectories compute it (Farneback, SCIA 2003).

It differs from OpenCV's calcOpticalFlowFarneback in ways that change trajectories. The scales are
sqrt(2) apart. The averaging window is Gaussian. A median filter cleans the flow of each scale
before the next finer one starts from it. The flow of every scale is returned. A frame is expanded
once, for the pairs with the frames before and after it.
"""

import cv2
import numpy as np
from numba import njit

# The ratio of two neighbouring scales.
STRIDE = np.float32(np.sqrt(2))
# Levels of the pyramid, at most.
MAX_LEVELS = 8
# Pixels; a patch of the descriptors, which the coarsest level still holds.
PATCH = 32
# The neighbourhood to which a polynomial is fitted, in pixels: its radius, and the sigma of its
# weights.
RADIUS, SIGMA = 7, 1.5
# Pixels; the radius over which displacements are averaged. The original program states the size 10.
WINDOW_RADIUS = 5
# Estimates of the flow at each level.
ITERATIONS = 2
# Pixels; the side of the median filter.
MEDIAN_SIZE = 5
# Confidence in the pixels nearest to a border, the outermost first.
BORDER_WEIGHTS = np.array([0.14, 0.14, 0.4472, 0.4472, 0.4472], np.float32)


def pyramid(height: int, width: int) -> list[tuple[np.float32, int, int]]:
    """Return (scale, height, width) of each level, finest first; none for frames below PATCH.

    A scale is the factor from pixels of the level to pixels of the frame. Scales multiply up in
    float32 as in the original program; in float64 one of them would get another blur.
    """
    levels, side, scale = [], np.float32(min(height, width)), np.float32(1)
    while side >= PATCH and len(levels) < MAX_LEVELS:
        level_height, level_width = (
            round(float(np.float32(size) / scale)) for size in (height, width)
        )
        levels.append((scale, level_height, level_width))
        side, scale = side / STRIDE, scale * STRIDE
    return levels


def expand(image: np.ndarray, levels: list) -> list[np.ndarray]:
    """Fit a quadratic polynomial around each pixel of a grey uint8 image (H, W), at each level.

    Returns, per level, the coefficients by, bx, ayy, axx, axy: (5, h, w) float32.
    """
    pixels = image.astype(np.float32)
    expansions = []
    for scale, height, width in levels:
        # At the finest level sigma is 0, for which OpenCV derives one from the size.
        sigma = (float(scale) - 1) / 2
        size = max(round(sigma * 5) | 1, 3)
        level = cv2.resize(cv2.GaussianBlur(pixels, (size, size), sigma), (width, height))
        expansion = np.empty((5, height, width), np.float32)
        for coefficient, kernels in zip(expansion, _FIT_KERNELS, strict=True):
            _filter(level, *kernels, coefficient)
        expansions.append(expansion)
    return expansions


def flow(before: list[np.ndarray], after: list[np.ndarray]) -> list[np.ndarray]:
    """Return the flow between two expanded frames at each level.

    Each is (2, h, w) float32 in pixels of its level, x then y; the finest is first.
    """
    # Coarsest first, since each level starts from the one before.
    flows: list[np.ndarray] = []
    for first, second in zip(reversed(before), reversed(after), strict=True):
        height, width = first.shape[1:]
        field = np.zeros((2, height, width), np.float32)
        if flows:
            for component, coarse in zip(field, flows[-1], strict=True):
                component[:] = cv2.resize(coarse, (width, height)) * STRIDE
        for _ in range(ITERATIONS):
            equations = _normal_equations(first, second, field)
            averaged = np.empty_like(equations)
            for term, mean in zip(equations, averaged, strict=True):
                _filter(term, _WINDOW_KERNEL, _WINDOW_KERNEL, mean)
            _solve(averaged, field)
        flows.append(np.stack([cv2.medianBlur(component, MEDIAN_SIZE) for component in field]))
    return flows[::-1]


def _fit_kernels(radius: int, sigma: float) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return the kernels along x and along y that give each coefficient of `expand`.

    Each kernel is (2 radius + 1,) float32. The weighted moments 1, x, y, x^2, y^2, xy of a
    neighbourhood are G times the coefficients of c + bx x + by y + axx x^2 + ayy y^2 + axy xy.
    Only four different values of the inverse of G count, so that each coefficient is one separable
    filter.
    """
    offsets = np.arange(-radius, radius + 1)
    weights = np.exp(-(offsets**2) / (2 * sigma**2))
    weights /= weights.sum()
    x, y = (axis.ravel() for axis in np.meshgrid(offsets, offsets))
    # (6, n) for the n = (2 radius + 1)^2 pixels of the neighbourhood
    basis = np.stack([np.ones_like(x), x, y, x * x, y * y, x * y]).astype(float)
    # (6, 6)
    inverse = np.linalg.inv((basis * np.outer(weights, weights).ravel()) @ basis.T)
    linear = weights * offsets
    square = weights * (inverse[0, 3] + inverse[3, 3] * offsets**2)
    # by, bx, ayy, axx, axy
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


def _window_kernel(radius: int) -> np.ndarray:
    """Return the weights (2 radius + 1,) float32 of the averaging window.

    Their sigma is 0.3 of the radius.
    """
    weights = np.exp(-(np.arange(-radius, radius + 1) ** 2) / (2 * (0.3 * radius) ** 2))
    return (weights / weights.sum()).astype(np.float32)


_FIT_KERNELS = _fit_kernels(RADIUS, SIGMA)
_WINDOW_KERNEL = _window_kernel(WINDOW_RADIUS)


def _filter(values: np.ndarray, along_x: np.ndarray, along_y: np.ndarray, out: np.ndarray) -> None:
    """Filter `values` (h, w) float32 by separable kernels into `out`; borders are repeated."""
    cv2.sepFilter2D(values, cv2.CV_32F, along_x, along_y, dst=out, borderType=cv2.BORDER_REPLICATE)


@njit(cache=True, error_model="numpy")
def _normal_equations(first, second, field):
    """Return the normal equations of each pixel's displacement: G11, G12, G22, h1, h2, y before x.

    They are (5, h, w) float32, of expansions `first` and `second` (5, h, w) and of the flow `field`
    (2, h, w) so far. Farneback (2003), eqs. 9 to 11: A is the mean of the quadratic terms of both
    frames, those of the second taken where `field` leads. A times the displacement is half the
    difference of their linear terms, plus A times `field`.
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
            else:
                # The flow leads out of the frame.
                by = bx = np.float32(0)
                ayy, axx, axy = first[2, y, x], first[3, y, x], first[4, y, x] * half
            by = (first[0, y, x] - by) * half + ayy * dy + axy * dx
            bx = (first[1, y, x] - bx) * half + axy * dy + axx * dx
            border_x, border_y = min(x, width - 1 - x), min(y, height - 1 - y)
            if border_x < len(BORDER_WEIGHTS) or border_y < len(BORDER_WEIGHTS):
                confidence = one
                if border_x < len(BORDER_WEIGHTS):
                    confidence *= BORDER_WEIGHTS[border_x]
                if border_y < len(BORDER_WEIGHTS):
                    confidence *= BORDER_WEIGHTS[border_y]
                by, bx, ayy, axx, axy = (
                    by * confidence,
                    bx * confidence,
                    ayy * confidence,
                    axx * confidence,
                    axy * confidence,
                )
            result[0, y, x] = ayy * ayy + axy * axy
            result[1, y, x] = (ayy + axx) * axy
            result[2, y, x] = axx * axx + axy * axy
            result[3, y, x] = ayy * by + axy * bx
            result[4, y, x] = axy * by + axx * bx
    return result


@njit(cache=True, error_model="numpy")
def _solve(equations, field):
    """Solve the averaged 2 x 2 equations (5, h, w) of each pixel into `field` (2, h, w).

    1e-3, added to the determinant, keeps flat regions at rest. By rounding alone a determinant
    could be negative, or a displacement longer than the picture; both are clipped.
    """
    _, height, width = equations.shape
    zero, one, regulariser = np.float32(0), np.float32(1), np.float32(1e-3)
    limit = np.float32(max(height, width))
    for y in range(height):
        for x in range(width):
            g11, g12, g22 = equations[0, y, x], equations[1, y, x], equations[2, y, x]
            h1, h2 = equations[3, y, x], equations[4, y, x]
            scale = one / (max(g11 * g22 - g12 * g12, zero) + regulariser)
            field[0, y, x] = min(max((g11 * h2 - g12 * h1) * scale, -limit), limit)
            field[1, y, x] = min(max((g22 * h1 - g12 * h2) * scale, -limit), limit)
