"""TV-L1 on one CPU core, compiled by numba: OpenCV's algorithm, arranged for the cache.

The algorithm is the duality-based TV-L1 of Zach, Pock and Bischof (2007) as in Sanchez,
Meinhardt-Llopis and Facciolo (IPOL 2013), from whose code OpenCV's solver comes (opencv_contrib:
modules/optflow/src/tvl1flow.cpp). Pyramid, warping, median filter and stop rule are the same.

What makes it fast:
- One pass over the rows does what OpenCV does in seven passes over the image (threshold,
  divergence, primal step, gradient, dual step).
- Several iterations go down the image together, each one row behind the iteration before it
  (`_sweep`), so that rows are read from the L2 cache and not from memory. The stop rule is the
  same: every iteration keeps its own error. Where an iteration before the last one should have
  been the last, the sweep is repeated from its initial state, which is kept, with fewer iterations.
- Loops run over whole rows, padded to full vectors, without branches, so that LLVM vectorises them.

Only +, -, *, / and sqrt are used, in a fixed order and without contraction (no fast math), so the
flow is bit-identical on every machine. flow/cuda.py repeats it operation by operation.
"""

import functools
import math

import cv2
import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from pipeline.flow import pyramid
from pipeline.flow.levels import quantise

F = np.float32

# Floats to the left of a row, and the unit to which its length is padded: a vector of 512 bits.
EDGE = 16
# Bytes of the L2 cache that the rows of a sweep may take. 256 KiB leave room in every CPU of the
# last ten years.
CACHE = 2**18
# Zeros around an image that is warped: all that a cubic tap beyond its edge can reach.
MARGIN = 4
# A squared gradient |grad I1|^2 up to FLAT counts as zero. Its inverse is then STEEP, which is as
# good as infinite, so that the thresholding step saturates.
FLAT = F(np.finfo(F).eps)
STEEP = F(1e30)
# Iterations of a first sweep.
FIRST = 6
# The most iterations of a sweep, however short the rows.
MOST = 16

# Division by zero gives infinity, as in C.
compiled = njit(cache=True, error_model="numpy")


# One iteration, row by row. A row is (stride,) float32; its pixels are at EDGE .. EDGE + W - 1.
# `n` is the width W padded to a multiple of EDGE.


@compiled
def _primal(u, v, ix, iy, inverse, rho, p, q, q_above, r, s, s_above, moved, bound, theta, n):
    """Take the primal step of one row: threshold (Zach et al., Eq. 15-16), then u + theta div p.

    (u, v) is the flow, (p, q) and (r, s) are the dual variables of u and v. The squared updates
    are added to `moved`.
    """
    for i in range(n):
        x = i + EDGE
        k = -(rho[x] + (ix[x] * u[x] + iy[x] * v[x])) * inverse[x]
        k = min(max(k, -bound), bound)
        du = k * ix[x] + theta * ((p[x] - p[x - 1]) + (q[x] - q_above[x]))
        dv = k * iy[x] + theta * ((r[x] - r[x - 1]) + (s[x] - s_above[x]))
        moved[x] += du * du + dv * dv
        u[x] += du
        v[x] += dv


@compiled
def _dual(u, u_below, p, q, step, n):
    """Take the dual step of one row and of one component of the flow (Zach et al., Eq. 12).

    p := (p + step grad u) / (1 + step |grad u|), where step = tau / theta.
    """
    for i in range(n):
        x = i + EDGE
        gx = u[x + 1] - u[x]
        gy = u_below[x] - u[x]
        scale = F(1) / (F(1) + step * np.sqrt(gx * gx + gy * gy))
        p[x] = (p[x] + step * gx) * scale
        q[x] = (q[x] + step * gy) * scale


@compiled
def _sweep(before, after, data, moved, errors, count, bound, theta, step, width):
    """Iterate `count` times from the state `before` to the state `after`.

    States are (6, H + 1, stride): u, v and the four dual variables; row 0 is zero. `data` is
    (4, H + 1, stride): I1x, I1y, 1 / |grad I1|^2, rho. `moved` is scratch, (MOST, stride).
    errors[k] becomes the sum of squared updates of iteration k, in px^2.
    At each position of the sweep, iteration k takes the primal step of one row and the dual step
    of the row above it, where iteration k - 1 has just finished.
    """
    height = before.shape[1] - 1
    n = (width + EDGE - 1) // EDGE * EDGE
    for k in range(count):
        moved[k] = 0
    for position in range(1, height + count + 1):
        for k in range(count):
            y = position - k
            if 1 <= y <= height:
                if k == 0:
                    for component in range(6):
                        after[component, y] = before[component, y]
                u, v = after[0, y], after[1, y]
                _primal(
                    u,
                    v,
                    data[0, y],
                    data[1, y],
                    data[2, y],
                    data[3, y],
                    after[2, y],
                    after[3, y],
                    after[3, y - 1],
                    after[4, y],
                    after[5, y],
                    after[5, y - 1],
                    moved[k],
                    bound,
                    theta,
                    n,
                )
                # There is no gradient across the right edge.
                u[EDGE + width] = u[EDGE + width - 1]
                v[EDGE + width] = v[EDGE + width - 1]
            y -= 1
            if 1 <= y <= height:
                # Nor is there one across the lower edge.
                below = min(y + 1, height)
                _dual(after[0, y], after[0, below], after[2, y], after[3, y], step, n)
                _dual(after[1, y], after[1, below], after[4, y], after[5, y], step, n)
    for k in range(count):
        total = 0.0
        for x in range(EDGE, EDGE + width):
            total += moved[k, x]
        errors[k] = total


# Warping by cubic convolution (Keys, 1981, with a = -0.75), as in OpenCV 5's remap, whose weights
# are exact and not rounded to 1/32 of a pixel.


@intrinsic
def _cubic(typing, source, start, row, wx, wy, out, position):
    """Interpolate four interleaved channels at one pixel, as vectors of four floats.

    out[position : position + 4] becomes the sum over i and j of
    wy[i] wx[j] source[start + i row + 4 j : start + i row + 4 j + 4].
    It is written in LLVM's own terms, because numba turns off LLVM's search for such vectors;
    without them it takes twice the time.
    """

    def generate(context, builder, signature, arguments):
        start, row, position = arguments[1], arguments[2], arguments[6]
        vector = ir.VectorType(ir.FloatType(), 4)
        undefined = ir.Constant(vector, ir.Undefined)
        first_lane = ir.Constant(ir.VectorType(ir.IntType(32), 4), [0] * 4)
        source_pointer, out_pointer = (
            context.make_array(signature.args[i])(context, builder, arguments[i]).data
            for i in (0, 5)
        )

        def spread(weights):
            """Repeat each of four weights in all lanes of a vector."""
            vectors = (
                builder.insert_element(undefined, w, ir.IntType(32)(0))
                for w in cgutils.unpack_tuple(builder, weights)
            )
            return [builder.shuffle_vector(v, undefined, first_lane) for v in vectors]

        def vector_at(pointer, index):
            return builder.bitcast(builder.gep(pointer, [index]), vector.as_pointer())

        def add(terms):
            return functools.reduce(builder.fadd, terms)

        wx, wy, lines = spread(arguments[3]), spread(arguments[4]), []
        for i in range(4):
            line = builder.add(start, builder.mul(row, row.type(i)))
            taps = [
                builder.load(
                    vector_at(source_pointer, builder.add(line, line.type(4 * j))), align=4
                )
                for j in range(4)
            ]
            lines.append(builder.fmul(add(map(builder.fmul, taps, wx)), wy[i]))
        builder.store(add(lines), vector_at(out_pointer, position), align=4)
        return context.get_dummy_value()

    return types.void(source, types.intp, types.intp, wx, wy, out, types.intp), generate


@compiled
def _cubic_taps(start, slope, flow, size, first, weights):
    """Find where the pixels of a row are read along one axis, and with which cubic weights.

    Pixel x is read at start + slope x + flow[x]. Written are the index of its first tap in the
    image with its margin, `first` (W,), and the weights of its four taps, `weights` (4, W).
    Positions beyond the margin are moved to it: there is nothing there but zeros.
    """
    # The parameter of Keys (1981), with the value that OpenCV takes.
    a = F(-0.75)
    w0, w1, w2, w3 = weights[0], weights[1], weights[2], weights[3]
    for x in range(flow.size):
        position = min(max(start + slope * F(x) + flow[x], F(1 - MARGIN)), F(size + 1))
        whole = np.floor(position)
        first[x] = np.int32(whole) + (MARGIN - 1)
        t = position - whole
        t1 = t + F(1)
        t2 = F(1) - t
        w0[x] = ((a * t1 - F(5) * a) * t1 + F(8) * a) * t1 - F(4) * a
        w1[x] = ((a + F(2)) * t - (a + F(3))) * t * t + F(1)
        w2[x] = ((a + F(2)) * t2 - (a + F(3))) * t2 * t2 + F(1)
        w3[x] = F(1) - w0[x] - w1[x] - w2[x]


@compiled
def _warp(second, first, state, data, cells, weights, warped):
    """Read I1 and its gradient at x + u, and write `data` (4, H + 1, stride) for `_sweep`.

    `second` is (H + 2 MARGIN, W + 2 MARGIN, 4): I1, I1x, I1y, 0; `first` is I0, (H, W). Scratch
    for one row is `cells` (2, W), the first taps, `weights` (2, 4, W) and `warped` (W, 4).
    """
    height, width = first.shape
    row = second.shape[1] * 4
    source, out = second.ravel(), warped.ravel()
    across, down, cx, cy = weights[0], weights[1], cells[0], cells[1]
    for y in range(height):
        u, v = state[0, y + 1, EDGE : EDGE + width], state[1, y + 1, EDGE : EDGE + width]
        _cubic_taps(F(0), F(1), u, width, cx, across)
        _cubic_taps(F(y), F(0), v, height, cy, down)
        for x in range(width):
            _cubic(
                source,
                cy[x] * row + cx[x] * 4,
                row,
                (across[0, x], across[1, x], across[2, x], across[3, x]),
                (down[0, x], down[1, x], down[2, x], down[3, x]),
                out,
                x * 4,
            )
        ix, iy = data[0, y + 1, EDGE : EDGE + width], data[1, y + 1, EDGE : EDGE + width]
        inverse, rho = data[2, y + 1, EDGE : EDGE + width], data[3, y + 1, EDGE : EDGE + width]
        first_row = first[y]
        for x in range(width):
            gx, gy = warped[x, 1], warped[x, 2]
            squares = gx * gx + gy * gy
            ix[x] = gx
            iy[x] = gy
            inverse[x] = F(1) / squares if squares > FLAT else STEEP
            rho[x] = warped[x, 0] - gx * u[x] - gy * v[x] - first_row[x]


@compiled
def _with_gradient(image, out):
    """Write the image (H, W) and its gradient into `out`, (H + 2 MARGIN, W + 2 MARGIN, 4).

    The channels are the image, its central differences along x and y, and 0. At an edge the
    difference is half the one-sided one. The margin is left as it is.
    """
    height, width = image.shape
    for y in range(height):
        above, here, below = image[max(y - 1, 0)], image[y], image[min(y + 1, height - 1)]
        row = out[y + MARGIN]
        for x in range(width):
            row[x + MARGIN, 0] = here[x]
            row[x + MARGIN, 1] = F(0.5) * (here[min(x + 1, width - 1)] - here[max(x - 1, 0)])
            row[x + MARGIN, 2] = F(0.5) * (below[x] - above[x])


@compiled
def _resize(image, out, rows, row_weights, columns, column_weights, factor):
    """Resize (h, w) linearly to (H, W) with the taps of `pyramid.taps`; multiply by `factor`."""
    height, width = image.shape
    for y in range(out.shape[0]):
        top, bottom = image[rows[y]], image[min(rows[y] + 1, height - 1)]
        wy = row_weights[y]
        for x in range(out.shape[1]):
            left = columns[x]
            right = min(left + 1, width - 1)
            wx = column_weights[x]
            upper = top[left] * (F(1) - wx) + top[right] * wx
            lower = bottom[left] * (F(1) - wx) + bottom[right] * wx
            out[y, x] = (upper * (F(1) - wy) + lower * wy) * factor


class Solver:
    """TV-L1 flow of pairs of one size.

    It keeps its buffers, and nothing else, from one pair to the next.
    """

    def __init__(
        self,
        height: int,
        width: int,
        *,
        tau: float,
        lambda_: float,
        theta: float,
        scales: int,
        scale_step: float,
        warps: int,
        epsilon: float,
        inner: int,
        outer: int,
        median: int,
    ):
        # lambda theta bounds the thresholding (Zach et al., Eq. 15); tau / theta is the step of the
        # dual variables (Eq. 12).
        self.bound, self.theta, self.step = F(lambda_ * theta), F(theta), F(tau / theta)
        self.scale_step, self.warps, self.epsilon = scale_step, warps, epsilon
        self.inner, self.outer, self.median = inner, outer, median
        self.sizes = pyramid.sizes(height, width, scales, scale_step)
        # The finest level's buffers are used for all levels.
        stride = _stride(width)
        self._states = np.empty((2, 6 * (height + 1) * stride), F)
        self._data = np.empty(4 * (height + 1) * stride, F)
        self._second = np.empty((height + 2 * MARGIN) * (width + 2 * MARGIN) * 4, F)
        self._cells, self._weights = np.empty((2, width), np.int32), np.empty((2, 4, width), F)
        self._warped = np.empty((width, 4), F)
        # Pairs per call: as many as take 128 MiB per image, 8 at the most.
        self.batch = max(1, min(8, 2**27 // (4 * height * width)))
        # A sweep of n iterations works on n + 2 image rows at a time, which shall fit the cache.
        # Each has ten rows of float32: six of the state and four of the data.
        self._most_iterations = max(1, min(MOST, CACHE // (10 * 4 * stride) - 2))
        self._moved = np.empty((self._most_iterations, stride))
        self._errors = np.empty(self._most_iterations, F)

    def pyramid(self, images: np.ndarray) -> list[np.ndarray]:
        """Return the pyramid of (N, H, W) images: (N, h, w) float32 per level, finest first."""
        levels = [np.ascontiguousarray(images, np.float32)]
        for size in self.sizes[1:]:
            levels.append(
                np.stack([self._resized(image, size, self.scale_step) for image in levels[-1]])
            )
        return levels

    def __call__(self, first: list[np.ndarray], second: list[np.ndarray]) -> np.ndarray:
        """Return the flow (N, H, W, 2) float32, in pixels, between the images of two pyramids."""
        flows = []
        for pair in range(len(first[0])):
            flow = None
            for level, size in reversed(list(enumerate(self.sizes))):
                # The flow [u, v] of the next coarser level, resized to this one and scaled to its
                # pixels.
                start = flow and [
                    self._resized(component, size, None, 1 / self.scale_step) for component in flow
                ]
                flow = self._solve(first[level][pair], second[level][pair], start)
            # Two of (H, W) to (H, W, 2).
            flows.append(np.stack(flow, axis=-1))
        return np.stack(flows)

    def codes(self, first: list[np.ndarray], second: list[np.ndarray], bound: float) -> np.ndarray:
        """Return the flow as bytes, (N, 2, H, W) uint8, quantised by `levels.quantise`."""
        # (N, H, W, 2) to (N, 2, H, W).
        return quantise(self(first, second), bound).transpose(0, 3, 1, 2)

    def _resized(
        self, image: np.ndarray, size: tuple[int, int], step: float | None, factor: float = 1.0
    ) -> np.ndarray:
        """Resize (h, w) to `size`; `step` is the scale, by default the quotient of the sizes."""
        out = np.empty(size, np.float32)
        _resize(
            image,
            out,
            *pyramid.taps(image.shape[0], size[0], step),
            *pyramid.taps(image.shape[1], size[1], step),
            F(factor),
        )
        return out

    def _solve(
        self, first: np.ndarray, second: np.ndarray, start: list[np.ndarray] | None
    ) -> list[np.ndarray]:
        """Return the flow [u, v] of one level, (H, W) each.

        It begins with `start`, the resized flow of the next coarser level, or with zero.
        """
        height, width = first.shape
        stride = _stride(width)
        states = self._states[:, : 6 * (height + 1) * stride].reshape(2, 6, height + 1, stride)
        data = self._data[: 4 * (height + 1) * stride].reshape(4, height + 1, stride)
        area = (height + 2 * MARGIN) * (width + 2 * MARGIN)
        prepared = self._second[: area * 4].reshape(height + 2 * MARGIN, width + 2 * MARGIN, 4)
        # The buffers hold another level or pair. What is read before it is written becomes zero.
        for buffer in (states[0], states[1, :, 0], data[:, :, EDGE + width :], prepared):
            buffer[...] = 0
        _with_gradient(second, prepared)
        # The flow of both states, a view of (2, 2, H, W).
        flow = states[:, :2, 1:, EDGE : EDGE + width]
        if start:
            flow[0] = start
        # The stop rule: a mean squared update of epsilon^2, in px^2 summed over the image.
        threshold = float(F(self.epsilon**2 * height * width))
        # Which of the two states is the current one.
        current = 0
        guess = FIRST
        for _ in range(self.warps):
            _warp(
                prepared,
                first,
                states[current],
                data,
                self._cells[:, :width],
                self._weights[:, :, :width],
                self._warped[:width],
            )
            errors_of_warp = []
            for _ in range(self.outer):
                if self.median > 1:
                    for component in flow[current]:
                        cv2.medianBlur(component, self.median, dst=component)
                current, errors = self._iterate(states, current, data, width, threshold, guess)
                errors_of_warp += errors
                if errors[-1] <= threshold:
                    break
            guess = min(FIRST, len(errors_of_warp))
        return list(flow[current].copy())

    def _iterate(
        self,
        states: np.ndarray,
        current: int,
        data: np.ndarray,
        width: int,
        threshold: float,
        guess: int,
    ) -> tuple[int, list[float]]:
        """Iterate until the error falls to the threshold, `inner` times at the most.

        `guess` is the number of iterations of the first sweep. Returned are which state is the
        current one afterwards, and the error of each iteration.
        """
        errors, count = [], guess
        while len(errors) < self.inner and (not errors or errors[-1] > threshold):
            count = min(count, self._most_iterations, self.inner - len(errors))
            self._sweep(states, current, data, width, count)
            below = np.flatnonzero(self._errors[:count] <= threshold)
            # An earlier iteration should have been the last: repeat the sweep up to it.
            if below.size and below[0] + 1 < count:
                count = int(below[0]) + 1
                self._sweep(states, current, data, width, count)
            current = 1 - current
            errors.extend(self._errors[:count].tolist())
            count = _guess_remaining(errors, threshold)
        return current, errors

    def _sweep(
        self, states: np.ndarray, current: int, data: np.ndarray, width: int, count: int
    ) -> None:
        """Iterate `count` times from the current state to the other one."""
        _sweep(
            states[current],
            states[1 - current],
            data,
            self._moved,
            self._errors,
            count,
            self.bound,
            self.theta,
            self.step,
            width,
        )


def _stride(width: int) -> int:
    """Return the length of a padded row: EDGE floats on either side of W rounded up to vectors."""
    return 2 * EDGE + -(-width // EDGE) * EDGE


def _guess_remaining(errors: list[float], threshold: float) -> int:
    """Guess how many iterations are left. The guess changes the time alone, never the flow.

    Errors fall like a power of the iteration's number. A tenth is taken off the guess, because
    too many iterations cost more than too few.
    """
    n, back = len(errors), min(3, len(errors) - 1)
    if back == 0 or not threshold < errors[-1] < errors[-1 - back]:
        return 1
    power = math.log(errors[-1 - back] / errors[-1]) / math.log(n / (n - back))
    growth = math.log(errors[-1] / threshold) / power if threshold > 0 else math.inf
    return int(0.9 * n * math.expm1(min(growth, 5.0))) or 1
