"""TV-L1 on a GPU, a queue of pairs, by Triton; bit-identical to flow/cpu.py.

It repeats flow/cpu.py operation by operation. One launch solves a batch: its programs, as many as
the GPU holds at a time, take pair after pair from a queue, each at its own pace. All of a pair is
the work of one program: pyramids, levels, warps, median filters, and iterations up to the stop
rule. So no program waits for a slower pair, the flow of a pair does not depend on its batch, and
the host waits for nothing but the result.

As on the CPU, a sweep takes several iterations down the image together, each one row behind the
iteration before it, so that what one writes the next reads from the nearest cache. Where an
iteration before the last one should have been the last, the sweep is repeated up to that one.

Products and sums are not contracted (enable_fp_fusion is off), and quotients and roots are rounded
correctly, as on the CPU. With TRITON_INTERPRET=1, and tensors in main memory, the kernel runs
without a GPU.
"""

import threading

import numpy as np
import torch
import triton
import triton.language as tl

from pipeline.flow import pyramid

# Pixels that a program takes at a time: in general, and where much is held in registers.
CHUNK = tl.constexpr(1024)
SMALL = tl.constexpr(256)
# The most iterations of a sweep, a power of two, and the bytes of cache that its rows may take:
# half of the L1 cache of an SM (multiprocessor), on which two programs run.
MOST = tl.constexpr(8)
CACHE = 2**17
PROGRAMS_PER_SM = 2
# The share of the device's memory that programs may work on, and a batch's pixels.
SHARE = 1 / 8
PIXELS = 2**27
# Planes of float32 that a program takes besides its pyramids: gradient of I1 (2), data of the
# iterations (4), and two buffers each of the flow (2) and the dual variables (4).
PLANES = tl.constexpr(18)
# Pairs of a batch for each program. The more, the less it matters which pair is the last.
PAIRS = 4
LAUNCH = {"enable_fp_fusion": False, "num_warps": 8}
# Neither Triton's interpreter nor its first compilation is made for several threads.
LAUNCHING = threading.Lock()
# Of each thread its stream: work of different streams overlaps on the device.
STREAMS = threading.local()
# Columns of the table of levels.
COLUMNS = tl.constexpr(6)
# As in flow/cpu.py: a squared gradient up to FLAT counts as zero, and its inverse is STEEP.
FLAT = tl.constexpr(float(np.finfo(np.float32).eps))
STEEP = tl.constexpr(float(np.float32(1e30)))

# All functions below are parts of one program, which works with all its threads on one pair, chunk
# by chunk of an image. `at` holds the offsets of the chunk's pixels in the image, and `inside`
# masks those beyond its end.
#
# What a thread has written, the others can read after a barrier only (tl.debug_barrier, PTX's
# bar.sync, which orders the memory accesses of a program's threads). So every function that writes
# ends in a barrier, and none reads what it writes, but for `_sweep`, which has more of them.
# A condition of a loop or branch is the same for all threads, so that all meet at each barrier.


@triton.jit
def _copy(image, out, size):
    """Copy `size` pixels, uint8 or float32, to float32."""
    for start in range(0, size, CHUNK):
        at = start + tl.arange(0, CHUNK)
        tl.store(out + at, tl.load(image + at, at < size).to(tl.float32), at < size)
    tl.debug_barrier()


@triton.jit
def _clear(out, size):
    for start in range(0, size, CHUNK):
        at = start + tl.arange(0, CHUNK)
        tl.store(out + at, tl.zeros([CHUNK], tl.float32), at < size)
    tl.debug_barrier()


@triton.jit
def _resize(image, out, cells, weights, h, w, height, width, factor):
    """Interpolate (h, w) linearly to (height, width), and multiply by `factor`.

    `cells` are the first taps, of the rows and then of the columns, and `weights` are those of the
    second taps, as of `pyramid.taps`.
    """
    for start in range(0, height * width, CHUNK):
        at = start + tl.arange(0, CHUNK)
        inside = at < height * width
        y, x = at // width, at % width
        top, left = tl.load(cells + y, inside, 0), tl.load(cells + height + x, inside, 0)
        bottom, right = tl.minimum(top + 1, h - 1), tl.minimum(left + 1, w - 1)
        wy, wx = tl.load(weights + y, inside, 0), tl.load(weights + height + x, inside, 0)
        upper = (
            tl.load(image + top * w + left, inside) * (1.0 - wx)
            + tl.load(image + top * w + right, inside) * wx
        )
        lower = (
            tl.load(image + bottom * w + left, inside) * (1.0 - wx)
            + tl.load(image + bottom * w + right, inside) * wx
        )
        tl.store(out + at, (upper * (1.0 - wy) + lower * wy) * factor, inside)
    tl.debug_barrier()


@triton.jit
def _gradient(image, out, height, width):
    """Write the gradient (2, H, W) of an image (H, W): central differences along x and y.

    At an edge the difference is half the one-sided one.
    """
    area = height * width
    for start in range(0, area, CHUNK):
        at = start + tl.arange(0, CHUNK)
        inside = at < area
        y, x = at // width, at % width
        right, left = tl.minimum(x + 1, width - 1), tl.maximum(x - 1, 0)
        below, above = tl.minimum(y + 1, height - 1), tl.maximum(y - 1, 0)
        gx = tl.load(image + y * width + right, inside) - tl.load(image + y * width + left, inside)
        gy = tl.load(image + below * width + x, inside) - tl.load(image + above * width + x, inside)
        tl.store(out + at, gx * 0.5, inside)
        tl.store(out + area + at, gy * 0.5, inside)
    tl.debug_barrier()


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
    """Read I1 and its gradient at x + u, and write `data` (4, H, W) for `_sweep`.

    The four planes of `data` are I1x, I1y, 1 / |grad I1|^2 and rho. `second` and `first` are I1 and
    I0, (H, W); `gradient` and `flow` are (2, H, W).
    """
    area = height * width
    for start in range(0, area, SMALL):
        at = start + tl.arange(0, SMALL)
        inside = at < area
        u, v = tl.load(flow + at, inside, 0.0), tl.load(flow + area + at, inside, 0.0)
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
        rho = warped - ix * u - iy * v - tl.load(first + at, inside, 0.0)
        tl.store(data + at, ix, inside)
        tl.store(data + area + at, iy, inside)
        tl.store(data + 2 * area + at, inverse, inside)
        tl.store(data + 3 * area + at, rho, inside)
    tl.debug_barrier()


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
def _median(image, out, height, width, SIZE: tl.constexpr):
    """Median-filter an image (H, W), 3 x 3 or 5 x 5."""
    area = height * width
    for start in range(0, area, SMALL):
        at = start + tl.arange(0, SMALL)
        inside = at < area
        y, x = at // width, at % width
        if SIZE == 3:
            a0, a1, a2 = _column3(image, y, x - 1, height, width, inside)
            b0, b1, b2 = _column3(image, y, x, height, width, inside)
            c0, c1, c2 = _column3(image, y, x + 1, height, width, inside)
            # The largest of the smallest, the middle of the middle, the smallest of the largest.
            _, middle, _ = _sort3(
                tl.maximum(tl.maximum(a0, b0), c0),
                _sort3(a1, b1, c1)[1],
                tl.minimum(tl.minimum(a2, b2), c2),
            )
        else:
            a0, a1, a2, a3, a4 = _column5(image, y, x - 2, height, width, inside)
            b0, b1, b2, b3, b4 = _column5(image, y, x - 1, height, width, inside)
            c0, c1, c2, c3, c4 = _column5(image, y, x, height, width, inside)
            d0, d1, d2, d3, d4 = _column5(image, y, x + 1, height, width, inside)
            e0, e1, e2, e3, e4 = _column5(image, y, x + 2, height, width, inside)
            # The columns are sorted; sort the rows. Then all but 13 of the 25 values are known to
            # have 13 or more values above them or below them, so the median is among those 13.
            _, _, _, p0, q0 = _sort5(a0, b0, c0, d0, e0)
            _, _, p1, q1, r0 = _sort5(a1, b1, c1, d1, e1)
            _, p2, q2, r1, _ = _sort5(a2, b2, c2, d2, e2)
            p3, q3, r2, _, _ = _sort5(a3, b3, c3, d3, e3)
            q4, r3, _, _, _ = _sort5(a4, b4, c4, d4, e4)
            # Select the seventh of the 13, which lie on three diagonals: merge the outer two
            # diagonals, and compare them with the middle one.
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
        tl.store(out + at, middle, inside)
    tl.debug_barrier()


@triton.jit
def _sweep(flow, dual, new_flow, new_dual, data, count, height, width, bound, theta, step):
    """Iterate `count` times, from one state to a new one; return the error of each, (MOST,).

    The error is the sum of squared updates, in px^2. Flows are (2, H, W), dual variables (4, H, W):
    p11, p12, p21, p22. `data` is that of `_warp`.

    At each position of the sweep, an iteration takes the primal step of one chunk and the dual step
    of the pixels one row behind it. Those are the pixels whose primal step the next iteration then
    takes. So the column `x` of a lane is the same for all of them.
    """
    area = height * width
    iterations = tl.arange(0, MOST)
    errors = tl.zeros([MOST], tl.float64)
    for start in range(0, area + count * width, CHUNK):
        x = (start + tl.arange(0, CHUNK)) % width
        # The first iteration reads the old state, and the others go on in the new one.
        old_flow, old_dual = flow, dual
        for k in range(count):
            # The primal step (Zach et al., Eq. 13 and 15-16). It reads the dual variables up to one
            # row back, where they are those of the iteration before.
            at = start - k * width + tl.arange(0, CHUNK)
            inside = (at >= 0) & (at < area)
            left, above = inside & (x > 0), inside & (at >= width)
            u = tl.load(old_flow + at, inside, 0.0)
            v = tl.load(old_flow + area + at, inside, 0.0)
            ix, iy = tl.load(data + at, inside, 0.0), tl.load(data + area + at, inside, 0.0)
            move = -(tl.load(data + 3 * area + at, inside, 0.0) + (ix * u + iy * v)) * tl.load(
                data + 2 * area + at, inside, 0.0
            )
            move = tl.minimum(tl.maximum(move, -bound), bound)
            p = old_dual + at
            du = move * ix + theta * (
                (tl.load(p, inside, 0.0) - tl.load(p - 1, left, 0.0))
                + (tl.load(p + area, inside, 0.0) - tl.load(p + area - width, above, 0.0))
            )
            p += 2 * area
            dv = move * iy + theta * (
                (tl.load(p, inside, 0.0) - tl.load(p - 1, left, 0.0))
                + (tl.load(p + area, inside, 0.0) - tl.load(p + area - width, above, 0.0))
            )
            moved = tl.sum((du * du + dv * dv).to(tl.float64))
            errors += tl.where(iterations == k, moved, 0.0)
            tl.store(new_flow + at, u + du, inside)
            tl.store(new_flow + area + at, v + dv, inside)
            # The dual step reads flow that other threads have just written, to the right and below.
            tl.debug_barrier()
            # The dual step (Zach et al., Eq. 12), one row behind: here and in the row below, the
            # primal step is done.
            at -= width
            inside = (at >= 0) & (at < area)
            right, below = inside & (x < width - 1), inside & (at < area - width)
            for component in tl.static_range(2):
                here = new_flow + component * area + at
                u = tl.load(here, inside, 0.0)
                gx = tl.where(right, tl.load(here + 1, right, 0.0) - u, 0.0)
                gy = tl.where(below, tl.load(here + width, below, 0.0) - u, 0.0)
                scale = tl.div_rn(1.0, 1.0 + step * tl.sqrt_rn(gx * gx + gy * gy))
                p, out = old_dual + 2 * component * area + at, new_dual + 2 * component * area + at
                tl.store(out, (tl.load(p, inside, 0.0) + step * gx) * scale, inside)
                tl.store(out + area, (tl.load(p + area, inside, 0.0) + step * gy) * scale, inside)
            # The next iteration reads the dual variables to the left, which other threads have just
            # written, and writes the flow that they have just read.
            tl.debug_barrier()
            old_flow, old_dual = new_flow, new_dual
    return errors.to(tl.float32)


@triton.jit
def _guess_remaining(error, before, threshold, most):
    """Guess how many iterations are left, `most` or fewer, from the last error and the one before.

    Errors are taken to fall by the same ratio as the last one did. The guess changes the time
    alone, never the flow.
    """
    ratio = tl.div_rn(error, before)
    guess = 1
    error *= ratio
    while (error > threshold) & (guess < most):
        error *= ratio
        guess += 1
    return guess


@triton.jit
def _level(
    first,
    second,
    gradient,
    data,
    flow,
    new_flow,
    dual,
    new_dual,
    threshold,
    most,
    warps,
    outer,
    inner,
    height,
    width,
    bound,
    theta,
    step,
    MEDIAN: tl.constexpr,
):
    """Solve one level of a pair from `flow` on; return which of the two buffers has the flow,
    and the other one.

    A sweep is of `most` iterations at the most.
    """
    area = height * width
    iterations = tl.arange(0, MOST)
    _gradient(second, gradient, height, width)
    _clear(dual, 4 * area)
    first_guess = most
    for _ in range(warps):
        _warp(second, gradient, first, flow, data, height, width)
        error = float("inf")
        rounds, done_of_warp = 0, 0
        while (rounds < outer) & (error > threshold):
            if MEDIAN > 1:
                for component in range(2):
                    plane = component * area
                    _median(flow + plane, new_flow + plane, height, width, MEDIAN)
                flow, new_flow = new_flow, flow
            done, guess = 0, first_guess
            while (done < inner) & (error > threshold):
                count = tl.minimum(guess, inner - done)
                errors = _sweep(
                    flow, dual, new_flow, new_dual, data, count, height, width, bound, theta, step
                )
                stops = (iterations < count) & (errors <= threshold)
                last = tl.min(tl.where(stops, iterations, count - 1))
                if last == count - 1:
                    flow, new_flow = new_flow, flow
                    dual, new_dual = new_dual, dual
                    before = tl.sum(tl.where(iterations == last - 1, errors, 0.0))
                    before = tl.where(last > 0, before, error)
                    error = tl.sum(tl.where(iterations == last, errors, 0.0))
                    guess = _guess_remaining(error, before, threshold, most)
                    done += count
                else:
                    # An earlier iteration should have been the last: repeat the sweep up to it.
                    guess = last + 1
            rounds += 1
            done_of_warp += done
        first_guess = tl.minimum(most, done_of_warp)
    return flow, new_flow


@triton.jit
def _code(v, scale, bound):
    """Quantise displacements as `levels.quantise` does; `scale` is 127.5 / bound in float64."""
    scaled = tl.minimum(tl.maximum(v, -bound), bound).to(tl.float64) * scale + 127.5
    # There are no fractions from 2^52 on, so that the sum is rounded, half to even.
    return ((scaled + 4503599627370496.0) - 4503599627370496.0).to(tl.uint8)


@triton.jit
def _write(flow, out, scale, bound, size):
    """Write `size` displacements to `out`: float32 as they are, or uint8 as codes."""
    for start in range(0, size, CHUNK):
        at = start + tl.arange(0, CHUNK)
        v = tl.load(flow + at, at < size, 0.0)
        if out.dtype.element_ty == tl.uint8:
            v = _code(v, tl.load(scale), bound)
        tl.store(out + at, v, at < size)
    tl.debug_barrier()


@triton.jit
def _row(table, level):
    """Return the row of a level: (height, width, most, image, image_taps, flow_taps).

    A sweep has `most` iterations at the most. The level's image lies at `image` in a pyramid. Its
    taps in the next finer image and in the next coarser flow are at `image_taps` and `flow_taps`.
    """
    row = table + level * COLUMNS
    return (
        tl.load(row),
        tl.load(row + 1),
        tl.load(row + 2),
        tl.load(row + 3),
        tl.load(row + 4),
        tl.load(row + 5),
    )


# Triton is not told which arguments are multiples of 16. So one kernel serves all sizes, and each
# thread has the same pixels of a chunk in all loads and stores, neighbours beside it.
@triton.jit(do_not_specialize=range(21))
def _solve(
    first,
    second,
    out,
    queue,
    pairs,
    space,
    pyramid,
    table,
    cells,
    weights,
    thresholds,
    levels,
    warps,
    outer,
    inner,
    bound,
    theta,
    step,
    factor,
    scale,
    largest,
    MEDIAN: tl.constexpr,
):
    """Solve pairs of images `first` and `second`, (N, H, W) uint8 or float32, from the queue.

    `out` is (N, 2, H, W): float32 for the flow in pixels, or uint8 for its codes within a bound of
    `largest`; `scale` points at 127.5 / bound in float64. `queue` points at the number of the next
    pair. `space` has 2 pyramids (`pyramid` floats each) and PLANES planes for every program.

    `table` has a row for each level, as of `_row`, finest first, and `cells` and `weights` have the
    taps. `factor` scales the flow of a level to the pixels of the next finer one.
    """
    height, width = tl.load(table), tl.load(table + 1)
    area = height * width
    space += tl.program_id(0).to(tl.int64) * (2 * pyramid + PLANES * area)
    gradient = space + 2 * pyramid
    data = gradient + 2 * area
    dual, new_dual = data + 4 * area, data + 8 * area
    flow, new_flow = data + 12 * area, data + 14 * area
    pair = tl.atomic_add(queue, 1)
    while pair < pairs:
        _copy(first + pair.to(tl.int64) * area, space, area)
        _copy(second + pair.to(tl.int64) * area, space + pyramid, area)
        for level in range(1, levels):
            h, w, _, finer, _, _ = _row(table, level - 1)
            height, width, _, image, taps, _ = _row(table, level)
            for i in range(2):
                start = space + i * pyramid
                _resize(
                    start + finer,
                    start + image,
                    cells + taps,
                    weights + taps,
                    h,
                    w,
                    height,
                    width,
                    1.0,
                )
        for done in range(levels):
            level = levels - 1 - done
            height, width, most, image, _, taps = _row(table, level)
            if done == 0:
                _clear(flow, 2 * height * width)
            else:
                # The flow of the next coarser level, scaled to the pixels of this one.
                h, w, _, _, _, _ = _row(table, level + 1)
                for i in range(2):
                    _resize(
                        flow + i * h * w,
                        new_flow + i * height * width,
                        cells + taps,
                        weights + taps,
                        h,
                        w,
                        height,
                        width,
                        factor,
                    )
                flow, new_flow = new_flow, flow
            flow, new_flow = _level(
                space + image,
                space + pyramid + image,
                gradient,
                data,
                flow,
                new_flow,
                dual,
                new_dual,
                tl.load(thresholds + level),
                most,
                warps,
                outer,
                inner,
                height,
                width,
                bound,
                theta,
                step,
                MEDIAN,
            )
        _write(flow, out + pair.to(tl.int64) * 2 * area, scale, largest, 2 * area)
        pair = tl.atomic_add(queue, 1)


class Solver:
    """TV-L1 flow of batches of pairs of one size.

    It keeps its constants on the device. Programs end one by one, and the last of a batch much
    later than most, since a pair may take ten times as long as others: let several threads call,
    so that their batches overlap.
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
        self.sizes = pyramid.sizes(height, width, scales, scale_step)
        self.device = "cpu" if triton.knobs.runtime.interpret else "cuda"
        areas = [h * w for h, w in self.sizes]
        # The floats that a program works on, and how many programs there are.
        self._floats = 2 * sum(areas) + PLANES.value * areas[0]
        self._programs = _room(self.device, 4 * self._floats)
        # Pairs per call.
        self.batch = max(1, min(PAIRS * self._programs, PIXELS // areas[0]))
        table, cells, weights = _table(self.sizes, scale_step)
        # The stop rule: a mean squared update of epsilon^2, in px^2 summed over the image.
        thresholds = np.array([epsilon**2 * h * w for h, w in self.sizes], np.float32)
        self._arguments = (
            sum(areas),
            *(
                torch.as_tensor(constants, device=self.device)
                for constants in (table, cells, weights, thresholds)
            ),
            len(areas),
            warps,
            outer,
            inner,
            # Rounded to float32, as in flow/cpu.py.
            *(float(np.float32(x)) for x in (lambda_ * theta, theta, tau / theta, 1 / scale_step)),
        )
        self._median = median

    def pyramid(self, images: np.ndarray) -> list[np.ndarray]:
        """Return the images alone, (N, H, W): pyramids are built on the device."""
        return [images]

    def __call__(self, first: list[np.ndarray], second: list[np.ndarray]) -> np.ndarray:
        """Return the flow (N, H, W, 2) float32, in pixels, from `first` to `second`."""
        return self._wait(*self._begin(first, second, torch.float32)).transpose(0, 2, 3, 1)

    def codes(self, first: list[np.ndarray], second: list[np.ndarray], bound: float) -> np.ndarray:
        """Return the flow as bytes, (N, 2, H, W) uint8, quantised as by `levels.quantise`."""
        return self._wait(*self._begin(first, second, torch.uint8, bound))

    def _begin(
        self, first: list[np.ndarray], second: list[np.ndarray], kind: torch.dtype, bound: float = 1
    ) -> tuple[torch.Tensor, torch.cuda.Event | None]:
        """Queue a batch, up to the copy of its flow (N, 2, H, W) to the host; wait for nothing.

        Returned are the host's tensor, and the event after which it holds the flow.
        """
        with torch.cuda.stream(_stream(self.device)):
            images = [self._sent(levels[0]) for levels in (first, second)]
            pairs, *size = images[0].shape
            out = torch.empty(pairs, 2, *size, dtype=kind, device=self.device)
            if pairs:
                # Filled on the device: nothing is copied for them.
                queue = torch.zeros(1, dtype=torch.int32, device=self.device)
                scale = torch.full((1,), 127.5 / bound, dtype=torch.float64, device=self.device)
                programs = min(pairs, self._programs)
                # The allocator keeps it for the stream's next batch, of whatever size.
                space = torch.empty(programs * self._floats, device=self.device)
                last = scale, float(bound), self._median
                with LAUNCHING:
                    _solve[(programs,)](
                        *images, out, queue, pairs, space, *self._arguments, *last, **LAUNCH
                    )
            if self.device == "cpu":
                return out, None
            result = torch.empty(out.shape, dtype=kind, pin_memory=True)
            result.copy_(out, non_blocking=True)
            # A thread that waits for it sleeps.
            done = torch.cuda.Event(blocking=True)
            done.record()
            return result, done

    def _sent(self, images: np.ndarray) -> torch.Tensor:
        """Return images on the device; they are sent from pinned memory, for which none waits."""
        tensor = torch.from_numpy(np.require(images, requirements=["C", "W"]))
        if self.device == "cpu":
            return tensor
        pinned = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True).copy_(tensor)
        return pinned.to(self.device, non_blocking=True)

    def _wait(self, result: torch.Tensor, done: torch.cuda.Event | None) -> np.ndarray:
        if done is not None:
            done.synchronize()
        return result.numpy()


def _stream(device: str) -> torch.cuda.Stream | None:
    """Return the stream of the calling thread; on the CPU there is none."""
    if device == "cuda" and not hasattr(STREAMS, "own"):
        STREAMS.own = torch.cuda.Stream()
    return getattr(STREAMS, "own", None)


def _room(device: str, size: int) -> int:
    """Return how many programs, of `size` bytes each, work on the device at a time."""
    if device == "cpu":
        return 1
    found = torch.cuda.get_device_properties(device)
    room = int(SHARE * found.total_memory) // size
    return max(1, min(PROGRAMS_PER_SM * found.multi_processor_count, room))


def _table(sizes: list[tuple[int, int]], step: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the table of levels, the cells and the weights, as `_solve` takes them."""
    rows, cells, weights, image, end = [], [], [], 0, 0
    for level, (height, width) in enumerate(sizes):
        # A sweep of n iterations works on a chunk and n + 1 image rows at a time, which shall fit
        # the cache. A pixel has ten float32: six of the state and four of the data.
        most = (CACHE // (10 * 4) - CHUNK.value) // width - 1
        row = [height, width, min(max(1, most), MOST.value), image]
        image += height * width
        # The neighbours that are resized to this level: an image and a flow. The ends of the
        # pyramid have one of them, and then the other's place is not read.
        for neighbour, scale in ((level - 1, step), (level + 1, None)):
            row.append(end)
            if 0 <= neighbour < len(sizes):
                for source, target in zip(sizes[neighbour], (height, width), strict=True):
                    first, weight = pyramid.taps(source, target, scale)
                    cells.append(first)
                    weights.append(weight)
                    end += target
        rows.append(row)
    # One more, as a pyramid of one level has no taps.
    cells.append(np.zeros(1, np.int32))
    weights.append(np.zeros(1, np.float32))
    return np.array(rows, np.int32), np.concatenate(cells), np.concatenate(weights)
