"""TV-L1 on one CPU core, compiled by numba: OpenCV's algorithm with its iterations fused and blocked for the cache.

Duality-based TV-L1 (Zach, Pock, Bischof, 2007) as in Sanchez, Meinhardt-Llopis, Facciolo (IPOL 2013), whose code OpenCV's
solver comes from (opencv_contrib: modules/optflow/src/tvl1flow.cpp): same pyramid, warping, median filter and stop rule.

What makes it fast:
- One pass over rows does what OpenCV does in seven over the image (threshold, divergence, primal, gradient, dual).
- Several iterations go down the image together, each one row behind the one before (`_sweep`), so that rows are read from
  the L2 cache and not from memory. The stop rule is the same: errors are kept per iteration, and where an iteration before
  the last would have stopped, the sweep is repeated from its start, which is kept, with just as many iterations.
- Loops are over whole rows, padded to full vectors, without branches, so that LLVM vectorises them.

Only +, -, *, / and sqrt, in a fixed order and without contraction (no fast math): the same bits on every machine, which
flow/cuda.py repeats operation by operation.
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

F = np.float32
EDGE = 16  # floats left of a row, and the unit to which its length is padded: a vector of 512 bits
CACHE = (
    2**18
)  # bytes that the rows of a sweep may take of the L2 cache: 256 KiB leave room in all of the last ten years
MARGIN = 4  # zeros around an image that is warped: all that a cubic tap beyond its edge can reach
FLAT, STEEP = (
    F(np.finfo(F).eps),
    F(1e30),
)  # |grad I1|^2 below FLAT counts as none; its inverse then is as good as infinite
FIRST = 6  # iterations of a first sweep
MOST = 16  # iterations of a sweep, however small the rows
compiled = njit(cache=True, error_model="numpy")  # division by zero gives inf, as in C


# One iteration, row by row. Rows are (stride,) float32 with the image at EDGE .. EDGE + W - 1; n = W padded.


@compiled
def _primal(u, v, ix, iy, inverse, rho, p, q, q_above, r, s, s_above, moved, bound, theta, n):
    """Thresholding (Zach et al., Eq. 15-16) and the primal step u + theta div p; adds the squares moved to `moved`."""
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
    """p := (p + step grad u) / (1 + step |grad u|), Eq. 12, with step = tau / theta."""
    for i in range(n):
        x = i + EDGE
        gx = u[x + 1] - u[x]
        gy = u_below[x] - u[x]
        scale = F(1) / (F(1) + step * np.sqrt(gx * gx + gy * gy))
        p[x] = (p[x] + step * gx) * scale
        q[x] = (q[x] + step * gy) * scale


@compiled
def _sweep(before, after, data, moved, errors, count, bound, theta, step, width):
    """`count` iterations from the state `before` to `after`; errors[k]: sum of squares that iteration k moved, px^2.

    States (6, H + 1, stride), row 0 zeros; data (4, H + 1, stride): I1x, I1y, 1 / |grad I1|^2, rho; moved (MOST, stride).
    At each step, iteration k takes the primal step of one row and the dual step of the row above it, where iteration k - 1
    has just finished.
    """
    height = before.shape[1] - 1
    n = (width + EDGE - 1) // EDGE * EDGE
    for k in range(count):
        moved[k] = 0
    for at in range(1, height + count + 1):
        for k in range(count):
            y = at - k
            if 1 <= y <= height:
                if k == 0:
                    for plane in range(6):
                        after[plane, y] = before[plane, y]
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
                u[EDGE + width] = u[EDGE + width - 1]  # no gradient across the edge
                v[EDGE + width] = v[EDGE + width - 1]
            y -= 1
            if 1 <= y <= height:
                below = min(y + 1, height)
                _dual(after[0, y], after[0, below], after[2, y], after[3, y], step, n)
                _dual(after[1, y], after[1, below], after[4, y], after[5, y], step, n)
    for k in range(count):
        total = 0.0
        for x in range(EDGE, EDGE + width):
            total += moved[k, x]
        errors[k] = total


# Warping by cubic convolution (Keys, 1981, a = -0.75): OpenCV 5's remap, exact to the fraction.


@intrinsic
def _cubic(typing, source, start, row, wx, wy, out, at):
    """out[at : at + 4] = sum over i, j of wy[i] wx[j] source[start + i row + 4 j : .. + 4], as vectors of four floats.

    In LLVM's own terms, because numba turns LLVM's search for such vectors off; without them it takes twice the time.
    """

    def generate(context, builder, signature, arguments):
        start, row, at = arguments[1], arguments[2], arguments[6]
        vector = ir.VectorType(ir.FloatType(), 4)
        nothing, lanes = (
            ir.Constant(vector, ir.Undefined),
            ir.Constant(ir.VectorType(ir.IntType(32), 4), [0] * 4),
        )
        pointers = [
            context.make_array(signature.args[i])(context, builder, arguments[i]).data
            for i in (0, 5)
        ]

        def spread(weights):
            one = (
                builder.insert_element(nothing, w, ir.IntType(32)(0))
                for w in cgutils.unpack_tuple(builder, weights)
            )
            return [builder.shuffle_vector(w, nothing, lanes) for w in one]

        def four(pointer, place):
            return builder.bitcast(builder.gep(pointer, [place]), vector.as_pointer())

        def add(terms):
            return functools.reduce(builder.fadd, terms)

        wx, wy, lines = spread(arguments[3]), spread(arguments[4]), []
        for i in range(4):
            line = builder.add(start, builder.mul(row, row.type(i)))
            taps = [
                builder.load(four(pointers[0], builder.add(line, line.type(4 * j))), align=4)
                for j in range(4)
            ]
            lines.append(builder.fmul(add(map(builder.fmul, taps, wx)), wy[i]))
        builder.store(add(lines), four(pointers[1], at), align=4)
        return context.get_dummy_value()

    return types.void(source, types.intp, types.intp, wx, wy, out, types.intp), generate


@compiled
def _place(start, slope, flow, size, cell, weights):
    """Where pixel x of a row goes in one axis, start + slope x + flow: the first tap, and the cubic weights (4, W).

    Places beyond the margin are drawn to it: there is nothing there but zeros.
    """
    a = F(-0.75)
    w0, w1, w2, w3 = weights[0], weights[1], weights[2], weights[3]
    for x in range(flow.size):
        place = min(max(start + slope * F(x) + flow[x], F(1 - MARGIN)), F(size + 1))
        whole = np.floor(place)
        cell[x] = np.int32(whole) + (MARGIN - 1)
        t = place - whole
        t1 = t + F(1)
        t2 = F(1) - t
        w0[x] = ((a * t1 - F(5) * a) * t1 + F(8) * a) * t1 - F(4) * a
        w1[x] = ((a + F(2)) * t - (a + F(3))) * t * t + F(1)
        w2[x] = ((a + F(2)) * t2 - (a + F(3))) * t2 * t2 + F(1)
        w3[x] = F(1) - w0[x] - w1[x] - w2[x]


@compiled
def _warp(second, first, state, data, cells, weights, warped):
    """I1 and its gradient at x + u, into `data` (4, H + 1, stride) as `_sweep` wants them.

    second: (H + 2 MARGIN, W + 2 MARGIN, 4): I1, I1x, I1y, 0. The rest are `first` (H, W) and scratch for a row.
    """
    height, width = first.shape
    row = second.shape[1] * 4
    source, out = second.ravel(), warped.ravel()
    across, down, cx, cy = weights[0], weights[1], cells[0], cells[1]
    for y in range(height):
        u, v = state[0, y + 1, EDGE : EDGE + width], state[1, y + 1, EDGE : EDGE + width]
        _place(F(0), F(1), u, width, cx, across)
        _place(F(y), F(0), v, height, cy, down)
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
        inverse, rho, before = (
            data[2, y + 1, EDGE : EDGE + width],
            data[3, y + 1, EDGE : EDGE + width],
            first[y],
        )
        for x in range(width):
            gx, gy = warped[x, 1], warped[x, 2]
            squares = gx * gx + gy * gy
            ix[x] = gx
            iy[x] = gy
            inverse[x] = F(1) / squares if squares > FLAT else STEEP
            rho[x] = warped[x, 0] - gx * u[x] - gy * v[x] - before[x]


@compiled
def _with_gradient(image, out):
    """(H, W) to (H + 2 MARGIN, W + 2 MARGIN, 4): the image, its central differences (one-sided halves at edges), 0."""
    height, width = image.shape
    for y in range(height):
        above, here, below = image[max(y - 1, 0)], image[y], image[min(y + 1, height - 1)]
        row = out[y + MARGIN]
        for x in range(width):
            row[x + MARGIN, 0] = here[x]
            row[x + MARGIN, 1] = F(0.5) * (here[min(x + 1, width - 1)] - here[max(x - 1, 0)])
            row[x + MARGIN, 2] = F(0.5) * (below[x] - above[x])


@compiled
def _resize(image, out, rows, row_shares, columns, column_shares, factor):
    """Linear interpolation by the taps of `pyramid.taps`, times `factor`."""
    height, width = image.shape
    for y in range(out.shape[0]):
        top, bottom = image[rows[y]], image[min(rows[y] + 1, height - 1)]
        share = row_shares[y]
        for x in range(out.shape[1]):
            left = columns[x]
            right = min(left + 1, width - 1)
            f = column_shares[x]
            upper = top[left] * (F(1) - f) + top[right] * f
            lower = bottom[left] * (F(1) - f) + bottom[right] * f
            out[y, x] = (upper * (F(1) - share) + lower * share) * factor


class Solver:
    """TV-L1 flow of pairs of one size. Keeps its buffers, and nothing else, from one pair to the next."""

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
        self.bound, self.theta, self.step = F(lambda_ * theta), F(theta), F(tau / theta)
        self.scale_step, self.warps, self.epsilon = scale_step, warps, epsilon
        self.inner, self.outer, self.median = inner, outer, median
        self.sizes = pyramid.sizes(height, width, scales, scale_step)
        # The finest level's buffers serve all levels.
        stride = 2 * EDGE + -(-width // EDGE) * EDGE
        self._states = np.empty((2, 6 * (height + 1) * stride), F)
        self._data = np.empty(4 * (height + 1) * stride, F)
        self._second = np.empty((height + 2 * MARGIN) * (width + 2 * MARGIN) * 4, F)
        self._cells, self._weights = np.empty((2, width), np.int32), np.empty((2, 4, width), F)
        self._warped = np.empty((width, 4), F)
        self.batch = max(1, min(8, 2**27 // (4 * height * width)))
        self.most = max(1, min(MOST, CACHE // (10 * 4 * stride) - 2))
        self._moved, self._errors = np.empty((self.most, stride)), np.empty(self.most, F)

    def pyramid(self, images: np.ndarray) -> list[np.ndarray]:
        """(N, H, W) images to (N, h, w) float32 each, finest first."""
        levels = [np.ascontiguousarray(images, np.float32)]
        for size in self.sizes[1:]:
            levels.append(
                np.stack([self._resized(image, size, self.scale_step) for image in levels[-1]])
            )
        return levels

    def __call__(self, first: list[np.ndarray], second: list[np.ndarray]) -> np.ndarray:
        """Flow (N, H, W, 2) float32 of the pairs of two pyramids' images."""
        flows = []
        for pair in range(len(first[0])):
            flow = None
            for level, size in reversed(list(enumerate(self.sizes))):
                coarser = flow and [
                    self._resized(plane, size, None, 1 / self.scale_step) for plane in flow
                ]
                flow = self._solve(first[level][pair], second[level][pair], coarser)
            flows.append(np.stack(flow, axis=-1))
        return np.stack(flows)

    def _resized(
        self, image: np.ndarray, size: tuple[int, int], step: float | None, factor: float = 1.0
    ) -> np.ndarray:
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
        """Flow [u, v] of one level, (H, W) each, from `start`, that of the coarser one resized, or from zero."""
        (height, width), stride = first.shape, 2 * EDGE + -(-first.shape[1] // EDGE) * EDGE
        states = self._states[:, : 6 * (height + 1) * stride].reshape(2, 6, height + 1, stride)
        data = self._data[: 4 * (height + 1) * stride].reshape(4, height + 1, stride)
        area = (height + 2 * MARGIN) * (width + 2 * MARGIN)
        prepared = self._second[: area * 4].reshape(height + 2 * MARGIN, width + 2 * MARGIN, 4)
        for cleared in (states[0], states[1, :, 0], data[:, :, EDGE + width :], prepared):
            cleared[...] = 0
        _with_gradient(second, prepared)
        flow = states[:, :2, 1:, EDGE : EDGE + width]  # of each state
        if start:
            flow[0] = start
        threshold, now = (
            float(F(self.epsilon**2 * height * width)),
            0,
        )  # px^2; which state is the present one
        guess = FIRST
        for _ in range(self.warps):
            _warp(
                prepared,
                first,
                states[now],
                data,
                self._cells[:, :width],
                self._weights[:, :, :width],
                self._warped[:width],
            )
            spent = []
            for _ in range(self.outer):
                if self.median > 1:
                    for plane in flow[now]:
                        cv2.medianBlur(plane, self.median, dst=plane)
                now, errors = self._iterate(states, now, data, width, threshold, guess)
                spent += errors
                if errors[-1] <= threshold:
                    break
            guess = min(FIRST, len(spent))
        return list(flow[now].copy())

    def _iterate(
        self,
        states: np.ndarray,
        now: int,
        data: np.ndarray,
        width: int,
        threshold: float,
        guess: int,
    ) -> tuple[int, list[float]]:
        """Iterate until the error falls to the threshold, `inner` times at the most; `guess`: the first sweep's number.

        Returns which state is the present one then, and the errors.
        """
        errors, count = [], guess
        while len(errors) < self.inner and (not errors or errors[-1] > threshold):
            count = min(count, self.most, self.inner - len(errors))
            self._sweep(states, now, data, width, count)
            below = np.flatnonzero(self._errors[:count] <= threshold)
            if (
                below.size and below[0] + 1 < count
            ):  # it should have stopped before: once more, only so far
                count = int(below[0]) + 1
                self._sweep(states, now, data, width, count)
            now = 1 - now
            errors.extend(self._errors[:count].tolist())
            count = _remaining(errors, threshold)
        return now, errors

    def _sweep(
        self, states: np.ndarray, now: int, data: np.ndarray, width: int, count: int
    ) -> None:
        _sweep(
            states[now],
            states[1 - now],
            data,
            self._moved,
            self._errors,
            count,
            self.bound,
            self.theta,
            self.step,
            width,
        )


def _remaining(errors: list[float], threshold: float) -> int:
    """A guess of how many iterations are left; it bears on the time alone.

    Errors fall like a power of the iteration's number; a tenth is taken off, as too many cost more than too few.
    """
    n, back = len(errors), min(3, len(errors) - 1)
    if back == 0 or not threshold < errors[-1] < errors[-1 - back]:
        return 1
    power = math.log(errors[-1 - back] / errors[-1]) / math.log(n / (n - back))
    growth = math.log(errors[-1] / threshold) / power if threshold > 0 else math.inf
    return int(0.9 * n * math.expm1(min(growth, 5.0))) or 1
