"""TV-L1 on a GPU, in batches of pairs, by Triton; bit-identical to flow/cpu.py.

It repeats flow/cpu.py operation by operation. The iterations of a pair are the work of one Triton
program: a loop over the image inside one launch, up to the stop rule, `inner` times at the most.
Pairs stop independently of each other, so the flow of a pair does not depend on its batch, and the
host never waits. The program takes the primal step chunk of pixels by chunk, and the dual step one
image row behind it: what it has just written is read from the nearest cache.

Products and sums are not contracted (enable_fp_fusion is off), and quotients and roots are rounded
correctly, as on the CPU. With TRITON_INTERPRET=1, and tensors in main memory, the kernels run
without a GPU.
"""

import numpy as np
import torch
import triton
import triton.language as tl

from pipeline.flow import pyramid
from pipeline.flow.levels import quantise

# Pixels that a program takes at a time.
CHUNK = tl.constexpr(1024)
# Bytes of the device's memory for a batch.
MEMORY = 2 * 2**30
# Planes of float32 that a pair takes, roughly: images, gradients, flow, dual variables and data.
PLANES = 20
LAUNCH = {"enable_fp_fusion": False, "num_warps": 8}
# As in flow/cpu.py: a squared gradient up to FLAT counts as zero, and its inverse is STEEP.
FLAT = tl.constexpr(float(np.finfo(np.float32).eps))
STEEP = tl.constexpr(float(np.float32(1e30)))

# In every kernel below, one program takes one chunk of one image, unless its docstring says
# otherwise. `at` holds the offsets of the chunk's pixels in the image, and `inside` masks those
# beyond its end. Offsets of images in a batch are int64, so that they cannot overflow.


@triton.jit
def _resize(image, out, rows, row_weights, columns, column_weights, h, w, height, width, factor):
    """Interpolate (N, h, w) linearly to (N, height, width), and multiply by `factor`.

    `rows` and `columns` are first taps, and the weights are those of the second taps, as of
    `pyramid.taps`.
    """
    at = tl.program_id(1) * CHUNK + tl.arange(0, CHUNK)
    inside = at < height * width
    y, x = at // width, at % width
    image += tl.program_id(0).to(tl.int64) * h * w
    top, left = tl.load(rows + y, inside, 0), tl.load(columns + x, inside, 0)
    bottom, right = tl.minimum(top + 1, h - 1), tl.minimum(left + 1, w - 1)
    wy, wx = tl.load(row_weights + y, inside, 0), tl.load(column_weights + x, inside, 0)
    upper = (
        tl.load(image + top * w + left, inside) * (1.0 - wx)
        + tl.load(image + top * w + right, inside) * wx
    )
    lower = (
        tl.load(image + bottom * w + left, inside) * (1.0 - wx)
        + tl.load(image + bottom * w + right, inside) * wx
    )
    tl.store(
        out + tl.program_id(0).to(tl.int64) * height * width + at,
        (upper * (1.0 - wy) + lower * wy) * factor,
        inside,
    )


@triton.jit
def _gradient(image, out, height, width):
    """Write the gradient (N, 2, H, W) of images (N, H, W): central differences along x and y.

    At an edge the difference is half the one-sided one.
    """
    at = tl.program_id(1) * CHUNK + tl.arange(0, CHUNK)
    area = height * width
    inside = at < area
    y, x = at // width, at % width
    image += tl.program_id(0).to(tl.int64) * area
    out += tl.program_id(0).to(tl.int64) * 2 * area
    right, left = tl.minimum(x + 1, width - 1), tl.maximum(x - 1, 0)
    below, above = tl.minimum(y + 1, height - 1), tl.maximum(y - 1, 0)
    gx = tl.load(image + y * width + right, inside) - tl.load(image + y * width + left, inside)
    gy = tl.load(image + below * width + x, inside) - tl.load(image + above * width + x, inside)
    tl.store(out + at, gx * 0.5, inside)
    tl.store(out + area + at, gy * 0.5, inside)


@triton.jit
def _cubic_weights(t):
    """Return the cubic convolution weights of four taps; `t` in 0..1 lies between the inner two."""
    # The parameter of Keys (1981), with the value that OpenCV takes.
    a = -0.75
    t1 = t + 1.0
    t2 = 1.0 - t
    w0 = ((a * t1 - 5.0 * a) * t1 + 8.0 * a) * t1 - 4.0 * a
    w1 = ((a + 2.0) * t - (a + 3.0)) * t * t + 1.0
    w2 = ((a + 2.0) * t2 - (a + 3.0)) * t2 * t2 + 1.0
    return w0, w1, w2, 1.0 - w0 - w1 - w2


@triton.jit
def _cubic_row(image, y, x, w0, w1, w2, w3, height, width, inside):
    """Return the weighted sum of four taps of row y, from column x on; zero beyond the image."""
    inside = inside & (y >= 0) & (y < height)
    image += y * width + x
    return (
        tl.load(image, inside & (x >= 0) & (x < width), 0.0) * w0
        + tl.load(image + 1, inside & (x >= -1) & (x < width - 1), 0.0) * w1
        + tl.load(image + 2, inside & (x >= -2) & (x < width - 2), 0.0) * w2
        + tl.load(image + 3, inside & (x >= -3) & (x < width - 3), 0.0) * w3
    )


@triton.jit
def _cubic(image, y, x, a0, a1, a2, a3, d0, d1, d2, d3, height, width, inside):
    """Interpolate at 4 x 4 taps from (y, x) on; weights a along the rows, weights d down them."""
    return (
        _cubic_row(image, y, x, a0, a1, a2, a3, height, width, inside) * d0
        + _cubic_row(image, y + 1, x, a0, a1, a2, a3, height, width, inside) * d1
        + _cubic_row(image, y + 2, x, a0, a1, a2, a3, height, width, inside) * d2
        + _cubic_row(image, y + 3, x, a0, a1, a2, a3, height, width, inside) * d3
    )


@triton.jit
def _warp(second, gradient, first, flow, data, height, width):
    """Read I1 and its gradient at x + u, and write `data` (N, 4, H, W) for `_iterate`.

    The four planes of `data` are I1x, I1y, 1 / |grad I1|^2 and rho. `second` and `first` are I1 and
    I0, (N, H, W); `gradient` and `flow` are (N, 2, H, W).
    """
    at = tl.program_id(1) * CHUNK + tl.arange(0, CHUNK)
    pair = tl.program_id(0).to(tl.int64)
    area = height * width
    inside = at < area
    second += pair * area
    gradient += pair * 2 * area
    u, v = (
        tl.load(flow + pair * 2 * area + at, inside, 0.0),
        tl.load(flow + pair * 2 * area + area + at, inside, 0.0),
    )
    # Beyond three pixels outside the image there is nothing but zeros.
    across = tl.minimum(
        tl.maximum((at % width).to(tl.float32) + u, -3.0), (width + 1).to(tl.float32)
    )
    down = tl.minimum(
        tl.maximum((at // width).to(tl.float32) + v, -3.0), (height + 1).to(tl.float32)
    )
    x, y = tl.floor(across), tl.floor(down)
    a0, a1, a2, a3 = _cubic_weights(across - x)
    d0, d1, d2, d3 = _cubic_weights(down - y)
    x, y = x.to(tl.int32) - 1, y.to(tl.int32) - 1
    warped = _cubic(second, y, x, a0, a1, a2, a3, d0, d1, d2, d3, height, width, inside)
    ix = _cubic(gradient, y, x, a0, a1, a2, a3, d0, d1, d2, d3, height, width, inside)
    iy = _cubic(gradient + area, y, x, a0, a1, a2, a3, d0, d1, d2, d3, height, width, inside)
    squares = ix * ix + iy * iy
    steep = squares > FLAT
    inverse = tl.where(steep, tl.div_rn(1.0, tl.where(steep, squares, 1.0)), STEEP)
    data += pair * 4 * area + at
    tl.store(data, ix, inside)
    tl.store(data + area, iy, inside)
    tl.store(data + 2 * area, inverse, inside)
    tl.store(
        data + 3 * area,
        warped - ix * u - iy * v - tl.load(first + pair * area + at, inside, 0.0),
        inside,
    )


@triton.jit
def _order(a, b):
    """Return the smaller value and the larger value; the sorting networks below consist of it."""
    return tl.minimum(a, b), tl.maximum(a, b)


@triton.jit
def _sort3(a, b, c):
    a, b = _order(a, b)
    b, c = _order(b, c)
    a, b = _order(a, b)
    return a, b, c


@triton.jit
def _sort5(a, b, c, d, e):
    a, b = _order(a, b)
    d, e = _order(d, e)
    c, e = _order(c, e)
    c, d = _order(c, d)
    a, d = _order(a, d)
    b, e = _order(b, e)
    a, c = _order(a, c)
    b, d = _order(b, d)
    b, c = _order(b, c)
    return a, b, c, d, e


@triton.jit
def _sort4(a, b, c, d):
    a, b = _order(a, b)
    c, d = _order(c, d)
    a, c = _order(a, c)
    b, d = _order(b, d)
    b, c = _order(b, c)
    return a, b, c, d


@triton.jit
def _column3(image, y, x, height, width, inside):
    """Return three values of a column around y, sorted; the image is repeated beyond its edges."""
    image += tl.minimum(tl.maximum(x, 0), width - 1)
    return _sort3(
        tl.load(image + tl.maximum(y - 1, 0) * width, inside),
        tl.load(image + y * width, inside),
        tl.load(image + tl.minimum(y + 1, height - 1) * width, inside),
    )


@triton.jit
def _column5(image, y, x, height, width, inside):
    """Return five values of a column around y, sorted; the image is repeated beyond its edges."""
    image += tl.minimum(tl.maximum(x, 0), width - 1)
    return _sort5(
        tl.load(image + tl.maximum(y - 2, 0) * width, inside),
        tl.load(image + tl.maximum(y - 1, 0) * width, inside),
        tl.load(image + y * width, inside),
        tl.load(image + tl.minimum(y + 1, height - 1) * width, inside),
        tl.load(image + tl.minimum(y + 2, height - 1) * width, inside),
    )


@triton.jit
def _median(flow, out, errors, threshold, height, width, SIZE: tl.constexpr):
    """Median-filter the flow (N, 2, H, W), 3 x 3 or 5 x 5, of the pairs that still iterate.

    Other pairs are left out: `errors` (N,) says which have reached the threshold.
    """
    # The grid is over components of the flow, two per pair.
    plane = tl.program_id(0)
    if tl.load(errors + plane // 2) <= threshold:
        return
    at = tl.program_id(1) * CHUNK + tl.arange(0, CHUNK)
    area = height * width
    inside = at < area
    y, x = at // width, at % width
    flow += plane.to(tl.int64) * area
    if SIZE == 3:
        a0, a1, a2 = _column3(flow, y, x - 1, height, width, inside)
        b0, b1, b2 = _column3(flow, y, x, height, width, inside)
        c0, c1, c2 = _column3(flow, y, x + 1, height, width, inside)
        # The largest of the smallest, the middle of the middle, the smallest of the largest.
        _, middle, _ = _sort3(
            tl.maximum(tl.maximum(a0, b0), c0),
            _sort3(a1, b1, c1)[1],
            tl.minimum(tl.minimum(a2, b2), c2),
        )
    else:
        a0, a1, a2, a3, a4 = _column5(flow, y, x - 2, height, width, inside)
        b0, b1, b2, b3, b4 = _column5(flow, y, x - 1, height, width, inside)
        c0, c1, c2, c3, c4 = _column5(flow, y, x, height, width, inside)
        d0, d1, d2, d3, d4 = _column5(flow, y, x + 1, height, width, inside)
        e0, e1, e2, e3, e4 = _column5(flow, y, x + 2, height, width, inside)
        # The columns are sorted; sort the rows. Then all but 13 of the 25 values are known to have
        # 13 or more values above them or below them, so the median is among those 13.
        _, _, _, p0, q0 = _sort5(a0, b0, c0, d0, e0)
        _, _, p1, q1, r0 = _sort5(a1, b1, c1, d1, e1)
        _, p2, q2, r1, _ = _sort5(a2, b2, c2, d2, e2)
        p3, q3, r2, _, _ = _sort5(a3, b3, c3, d3, e3)
        q4, r3, _, _, _ = _sort5(a4, b4, c4, d4, e4)
        # Select the seventh of the 13, which lie on three diagonals: merge the outer two diagonals,
        # and compare them with the middle one.
        p0, p1, p2, p3 = _sort4(p0, p1, p2, p3)
        q0, q1, q2, q3, q4 = _sort5(q0, q1, q2, q3, q4)
        r0, r1, r2, r3 = _sort4(r0, r1, r2, r3)
        p0, r3 = _order(p0, r3)
        p1, r2 = _order(p1, r2)
        p2, r1 = _order(p2, r1)
        p3, r0 = _order(p3, r0)
        _, p1, p2, p3 = _sort4(p0, p1, p2, p3)
        r0, r1, r2, _ = _sort4(r0, r1, r2, r3)
        middle = tl.minimum(r2, tl.maximum(q0, r1))
        middle = tl.minimum(middle, tl.maximum(q1, r0))
        middle = tl.minimum(middle, tl.maximum(q2, p3))
        middle = tl.minimum(middle, tl.maximum(q3, p2))
        middle = tl.minimum(middle, tl.maximum(q4, p1))
    tl.store(out + plane.to(tl.int64) * area + at, middle, inside)


@triton.jit
def _iterate(
    flow,
    filtered,
    dual,
    data,
    errors,
    threshold,
    inner,
    height,
    width,
    bound,
    theta,
    step,
    FILTERED: tl.constexpr,
):
    """Iterate one pair until its error falls to the threshold, `inner` times at the most.

    One program takes one pair. The error is the sum of squared updates, in px^2. `flow` is
    (N, 2, H, W), and is read from `filtered` if FILTERED. `dual` is (N, 4, H, W): p11, p12, p21,
    p22. `data` is that of `_warp`.
    """
    pair = tl.program_id(0)
    area = height * width
    error = tl.load(errors + pair)
    flow += pair.to(tl.int64) * 2 * area
    filtered += pair.to(tl.int64) * 2 * area
    dual += pair.to(tl.int64) * 4 * area
    data += pair.to(tl.int64) * 4 * area
    lanes = tl.arange(0, CHUNK)
    count = 0
    # Two conditions, because the compiler decides the first and the device the second.
    if FILTERED:  # noqa: SIM102
        if error > threshold:
            for start in range(0, 2 * area, CHUNK):
                at = start + lanes
                tl.store(flow + at, tl.load(filtered + at, at < 2 * area), at < 2 * area)
            tl.debug_barrier()
    while (error > threshold) & (count < inner):
        moved = tl.zeros([CHUNK], tl.float64)
        for start in range(0, area + width, CHUNK):
            # The primal step (Zach et al., Eq. 13 and 15-16). It reads the dual variables up to one
            # row back, where they still are those of the last iteration.
            at = start + lanes
            inside = at < area
            left, above = inside & (at % width > 0), inside & (at >= width)
            u, v = tl.load(flow + at, inside, 0.0), tl.load(flow + area + at, inside, 0.0)
            ix, iy = tl.load(data + at, inside, 0.0), tl.load(data + area + at, inside, 0.0)
            k = -(tl.load(data + 3 * area + at, inside, 0.0) + (ix * u + iy * v)) * tl.load(
                data + 2 * area + at, inside, 0.0
            )
            k = tl.minimum(tl.maximum(k, -bound), bound)
            p = dual + at
            du = k * ix + theta * (
                (tl.load(p, inside, 0.0) - tl.load(p - 1, left, 0.0))
                + (tl.load(p + area, inside, 0.0) - tl.load(p + area - width, above, 0.0))
            )
            p += 2 * area
            dv = k * iy + theta * (
                (tl.load(p, inside, 0.0) - tl.load(p - 1, left, 0.0))
                + (tl.load(p + area, inside, 0.0) - tl.load(p + area - width, above, 0.0))
            )
            moved += (du * du + dv * dv).to(tl.float64)
            tl.store(flow + at, u + du, inside)
            tl.store(flow + area + at, v + dv, inside)
            tl.debug_barrier()
            # The dual step (Zach et al., Eq. 12), one row behind: here and in the row below, the
            # primal step is done.
            at -= width
            inside = (at >= 0) & (at < area)
            right, below = inside & (at % width < width - 1), inside & (at < area - width)
            for component in tl.static_range(2):
                here = flow + component * area + at
                u = tl.load(here, inside, 0.0)
                gx = tl.where(right, tl.load(here + 1, right, 0.0) - u, 0.0)
                gy = tl.where(below, tl.load(here + width, below, 0.0) - u, 0.0)
                scale = tl.div_rn(1.0, 1.0 + step * tl.sqrt_rn(gx * gx + gy * gy))
                p = dual + 2 * component * area + at
                tl.store(p, (tl.load(p, inside, 0.0) + step * gx) * scale, inside)
                tl.store(p + area, (tl.load(p + area, inside, 0.0) + step * gy) * scale, inside)
        error = tl.sum(moved).to(tl.float32)
        count += 1
        tl.debug_barrier()
    tl.store(errors + pair, error)


class Solver:
    """TV-L1 flow of batches of pairs of one size."""

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
        # Rounded to float32, as in flow/cpu.py.
        self.bound, self.theta, self.step = (
            float(np.float32(x)) for x in (lambda_ * theta, theta, tau / theta)
        )
        self.scale_step, self.warps, self.epsilon = scale_step, warps, epsilon
        self.inner, self.outer, self.median = inner, outer, median
        self.sizes = pyramid.sizes(height, width, scales, scale_step)
        self.device = "cpu" if triton.knobs.runtime.interpret else "cuda"
        # Pairs per call.
        self.batch = max(1, min(512, MEMORY // (4 * PLANES * height * width)))

    def pyramid(self, images: np.ndarray) -> list[torch.Tensor]:
        """Return the pyramid of (N, H, W) images, uint8 or float32, on the device.

        It is a list of (N, h, w) float32, finest level first.
        """
        levels = [torch.as_tensor(images).to(self.device, torch.float32).contiguous()]
        for size in self.sizes[1:]:
            levels.append(self._resized(levels[-1], size, self.scale_step))
        return levels

    def __call__(self, first: list[torch.Tensor], second: list[torch.Tensor]) -> np.ndarray:
        """Return the flow (N, H, W, 2) float32, in pixels, between the images of two pyramids."""
        flow = None
        for level in reversed(range(len(self.sizes))):
            if flow is not None:
                # The flow of the next coarser level, scaled to the pixels of this one.
                flow = self._resized(flow, self.sizes[level], None, 1 / self.scale_step)
            flow = self._solve(first[level], second[level], flow)
        # (N, 2, H, W) to (N, H, W, 2).
        return flow.permute(0, 2, 3, 1).cpu().numpy()

    def codes(
        self, first: list[torch.Tensor], second: list[torch.Tensor], bound: float
    ) -> np.ndarray:
        """Return the flow as bytes, (N, 2, H, W) uint8, quantised by `levels.quantise`."""
        # (N, H, W, 2) to (N, 2, H, W).
        return quantise(self(first, second), bound).transpose(0, 3, 1, 2)

    def _resized(
        self, images: torch.Tensor, size: tuple[int, int], step: float | None, factor: float = 1.0
    ) -> torch.Tensor:
        """Resize (..., h, w) to (..., *size); `step` is the scale, by default of the sizes."""
        *batch, h, w = images.shape
        taps = [
            torch.as_tensor(tap, device=self.device)
            for side, target in zip((h, w), size, strict=True)
            for tap in pyramid.taps(side, target, step)
        ]
        out = images.new_empty(*batch, *size)
        _resize[self._grid(out)](
            images, out, *taps, h, w, *size, float(np.float32(factor)), **LAUNCH
        )
        return out

    def _grid(self, images: torch.Tensor) -> tuple[int, int]:
        """Return the grid of (..., H, W): one program per image and chunk of its pixels."""
        area = images.shape[-2] * images.shape[-1]
        return images.numel() // area, triton.cdiv(area, CHUNK.value)

    def _solve(
        self, first: torch.Tensor, second: torch.Tensor, flow: torch.Tensor | None
    ) -> torch.Tensor:
        """Return the flow (N, 2, h, w) of one level.

        It begins with `flow`, the resized flow of the next coarser level, or with zero.
        """
        pairs, *size = first.shape
        if flow is None:
            flow = first.new_zeros(pairs, 2, *size)
        gradient, filtered = torch.empty_like(flow), torch.empty_like(flow)
        dual, data = first.new_zeros(pairs, 4, *size), first.new_empty(pairs, 4, *size)
        # The stop rule: a mean squared update of epsilon^2, in px^2 summed over the image.
        threshold = float(np.float32(self.epsilon**2 * size[0] * size[1]))
        _gradient[self._grid(second)](second, gradient, *size, **LAUNCH)
        for _ in range(self.warps):
            _warp[self._grid(first)](second, gradient, first, flow, data, *size, **LAUNCH)
            # Every pair iterates anew after a warp.
            errors = first.new_full((pairs,), float("inf"))
            for _ in range(self.outer):
                if self.median > 1:
                    _median[self._grid(flow)](
                        flow, filtered, errors, threshold, *size, self.median, **LAUNCH
                    )
                _iterate[(pairs,)](
                    flow,
                    filtered,
                    dual,
                    data,
                    errors,
                    threshold,
                    self.inner,
                    *size,
                    self.bound,
                    self.theta,
                    self.step,
                    self.median > 1,
                    **LAUNCH,
                )
        return flow
