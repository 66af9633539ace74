"""Crops finished and normalised on a GPU by Triton, a launch each; bit-identical to `transforms`.

With TRITON_INTERPRET=1, and tensors in main memory, the kernels run without a GPU.
"""

import torch
import triton
import triton.language as tl

# Pixels that a program takes.
PIXELS = 1024
# Columns of a table of places (`batch.RawBatch`).
PLACE = tl.constexpr(6)
# Rows of a table of taps: what `transforms.neighbours` has of rows, and then of columns.
TAPS = tl.constexpr(8)


@triton.jit
def _finish(pixels, places, taps, out, channels, size, negate: tl.constexpr, PIXELS: tl.constexpr):
    """Resize and mirror one frame or field, (channels, size, size), part by part."""
    frame = tl.program_id(0).to(tl.int64)
    at = tl.program_id(1) * PIXELS + tl.arange(0, PIXELS)
    inside = at < channels * size * size
    channel, y, x = at // (size * size), at // size % size, at % size
    places += frame * PLACE
    source = pixels + tl.load(places) + channel * tl.load(places + 3)
    mirrored = tl.load(places + 4) != 0
    taps += tl.load(places + 5) * TAPS * size
    x = tl.where(mirrored, size - 1 - x, x)
    row_stride, column_stride = tl.load(places + 1), tl.load(places + 2)
    top = tl.load(taps + y, inside, 0) * row_stride
    bottom = tl.load(taps + size + y, inside, 0) * row_stride
    top_weight = tl.load(taps + 2 * size + y, inside, 0)
    bottom_weight = tl.load(taps + 3 * size + y, inside, 0)
    left = tl.load(taps + 4 * size + x, inside, 0) * column_stride
    right = tl.load(taps + 5 * size + x, inside, 0) * column_stride
    left_weight = tl.load(taps + 6 * size + x, inside, 0)
    right_weight = tl.load(taps + 7 * size + x, inside, 0)
    # The fixed point of OpenCV, see `transforms.resize`.
    above = (
        tl.load(source + top + left, inside, 0).to(tl.int32) * left_weight
        + tl.load(source + top + right, inside, 0).to(tl.int32) * right_weight
    ) >> 4
    below = (
        tl.load(source + bottom + left, inside, 0).to(tl.int32) * left_weight
        + tl.load(source + bottom + right, inside, 0).to(tl.int32) * right_weight
    ) >> 4
    value = ((above * top_weight >> 16) + (below * bottom_weight >> 16) + 2) >> 2
    if negate:
        # `levels.negated`, of the x component alone.
        value = tl.where(mirrored & (channel == 0), 255 - value, value)
    tl.store(out + frame * channels * size * size + at, value.to(tl.uint8), inside)


@triton.jit
def _normalise(pixels, index, table, out, channels, area, rows, PIXELS: tl.constexpr):
    """Copy the frame or field that an input uses to its place, by the table of its channel."""
    item = tl.program_id(0).to(tl.int64)
    at = tl.program_id(1) * PIXELS + tl.arange(0, PIXELS)
    inside = at < channels * area
    code = tl.load(pixels + tl.load(index + item) * channels * area + at, inside, 0).to(tl.int32)
    value = tl.load(table + at // area % rows * 256 + code, inside)
    tl.store(out + item * channels * area + at, value, inside)


@torch.library.custom_op("pipeline::finish_crops", mutates_args=())
def finish_crops(
    pixels: torch.Tensor, places: torch.Tensor, taps: torch.Tensor, channels: int, negate: bool
) -> torch.Tensor:
    """Resize and mirror the packed frames or fields of a batch: uint8 (n, channels, size, size).

    `pixels`, `places` (n, 6) and `taps` (requests, 8, size) are those of a RawBatch. With `negate`
    the first channel of what is mirrored is negated, as the motion in x is.
    """
    count, size = len(places), taps.shape[-1]
    out = pixels.new_empty(count, channels, size, size)
    grid = (count, triton.cdiv(channels * size * size, PIXELS))
    _finish[grid](pixels, places, taps, out, channels, size, negate, PIXELS)
    return out


@finish_crops.register_fake
def _(pixels, places, taps, channels, negate):
    size = taps.shape[-1]
    return pixels.new_empty(len(places), channels, size, size)


@torch.library.custom_op("pipeline::normalise_stacks", mutates_args=())
def normalise_stacks(
    pixels: torch.Tensor, index: torch.Tensor, table: torch.Tensor
) -> torch.Tensor:
    """Stack and normalise the pixels of an InputBatch: (.., L * channels, H, W), typed as `table`.

    `pixels` (n, channels, H, W) and `index` (.., L) are those of the batch; `table` (3 or 1, 256)
    has the value of each byte in each channel, or in all.
    """
    _, channels, height, width = pixels.shape
    *shape, length = index.shape
    out = pixels.new_empty(*shape, length * channels, height, width, dtype=table.dtype)
    grid = (index.numel(), triton.cdiv(channels * height * width, PIXELS))
    _normalise[grid](pixels, index, table, out, channels, height * width, len(table), PIXELS)
    return out


@normalise_stacks.register_fake
def _(pixels, index, table):
    _, channels, height, width = pixels.shape
    *shape, length = index.shape
    return pixels.new_empty(*shape, length * channels, height, width, dtype=table.dtype)
