"""Resize, mirror and normalise pixels."""

from functools import lru_cache

import cv2
import numpy as np
import torch

from pipeline import gpus
from pipeline.data import memory
from pipeline.data.batch import InputBatch
from pipeline.flow import levels
from pipeline.streams import MEAN, STD


def normalise(inputs: torch.Tensor | InputBatch, stream: str) -> torch.Tensor:
    """Scale pixels of 0 .. 255 to float32 of about zero mean and unit standard deviation.

    `inputs` is a tensor (.., C, H, W) of any dtype, or a batch, which is stacked first. Returns
    (.., C, H, W). Under autocast on a GPU a batch may come in autocast's type: a convolution would
    cast it first.
    """
    if isinstance(inputs, torch.Tensor):
        return _normalise_tensor(inputs, stream)
    if inputs.pixels.device.type == "cpu":
        return _normalise_by_table(inputs, stream)
    if has_kernels(inputs.pixels.device):
        from pipeline.data import kernels

        on = torch.is_autocast_enabled("cuda")
        dtype = torch.get_autocast_dtype("cuda") if on else torch.float32
        table = _table(stream, inputs.pixels.device, dtype)
        return kernels.normalise_stacks(inputs.pixels, inputs.index, table)
    return _normalise_tensor(inputs.stacked, stream)


def has_kernels(device: torch.device) -> bool:
    """Return whether batches on `device` are finished and normalised by kernels, a launch each.

    Elsewhere torch does the same in many: on a GPU where Triton lacks what it compiles with.
    """
    return device.type == "cuda" and _has_triton()


@lru_cache
def _has_triton() -> bool:
    return not gpus.missing_for_triton()


def _normalise_by_table(inputs: InputBatch, stream: str) -> torch.Tensor:
    """Stack and normalise a batch in one lookup-table pass into recycled memory.

    The CPU path is memory-bound: arithmetic would write the batch several times. The tables come
    from `_normalise_tensor`, so the result is bit-identical to it.
    """
    tables = _table(stream, inputs.pixels.device, torch.float32).numpy()  # (3 or 1, 256)
    pixels, index = inputs.pixels.contiguous().numpy(), inputs.index.numpy()
    item_shape = pixels.shape[1:]  # (C, H, W), C = 3 for frames and 2 for fields
    result = memory.empty((*index.shape, *item_shape), np.float32)  # (.., L, C, H, W)
    targets = result.reshape(-1, *item_shape)
    for position, target in zip(index.flat, targets, strict=True):
        for channel, (source, out) in enumerate(zip(pixels[position], target, strict=True)):
            cv2.LUT(source, tables[channel % len(tables)][None], dst=out)
    return torch.from_numpy(result).flatten(-4, -3)  # (.., L * C, H, W)


@lru_cache
def _table(stream: str, device: torch.device, dtype: torch.dtype) -> torch.Tensor:
    """Return the normalised values of all bytes, (3 or 1, 256), computed in float32 on the CPU.

    Each of 3 RGB channels has its own; all of flow shares one.
    """
    channels = len(MEAN[stream])
    values = torch.arange(256, dtype=torch.uint8).repeat(channels, 1)[:, :, None]
    return _normalise_tensor(values, stream)[:, :, 0].contiguous().to(device, dtype)


def _normalise_tensor(pixels: torch.Tensor, stream: str) -> torch.Tensor:
    """Return (pixels / 255 - mean) / std of a tensor (.., C, H, W)."""
    largest, mean, std = _constants(stream, pixels.device)
    return pixels.float().div_(largest).sub_(mean).div_(std)


@lru_cache
def _constants(stream: str, device: torch.device) -> tuple[torch.Tensor, ...]:
    """Return 255, the mean and the deviation of a stream, (3 or 1, 1, 1) each, on a device.

    They are copied there once: each copy waits for a GPU. They are tensors, since a GPU divides by
    a number as it multiplies by its reciprocal, which rounds otherwise than a CPU.
    """
    values = ((255.0,) * len(MEAN[stream]), MEAN[stream], STD[stream])
    return tuple(torch.tensor(value, device=device)[:, None, None] for value in values)


def mirror(pixels: torch.Tensor, stream: str) -> torch.Tensor:
    """Flip frames (.., 3, H, W) or flow fields (.., 2, H, W) from left to right.

    A mirrored clip moves the other way along x, so the x component of fields is negated.
    """
    flipped = pixels.flip(-1)
    if stream == "motion":
        flipped[..., 0, :, :] = levels.negated(flipped[..., 0, :, :])
    return flipped


def resize(pixels: torch.Tensor, size: int) -> torch.Tensor:
    """Resize uint8 (.., h, w) to (.., size, size) bilinearly, bit-identical to cv2.resize.

    OpenCV computes in fixed point. Weights have 11 bits; rows keep 7 of the 11 bits that the
    columns added, and the sum is rounded once (opencv/modules/imgproc/src/resize.cpp,
    VResizeLinear for uchar).
    """
    height, width = pixels.shape[-2:]
    top, bottom, top_weight, bottom_weight = neighbours(
        height, size, pixels.device, clamp_weights=False
    )
    left, right, left_weight, right_weight = neighbours(
        width, size, pixels.device, clamp_weights=True
    )
    rows = pixels[..., left].int() * left_weight + pixels[..., right].int() * right_weight
    rows = rows >> 4  # (.., h, size)
    above = rows[..., top, :] * top_weight[:, None] >> 16  # (.., size, size)
    below = rows[..., bottom, :] * bottom_weight[:, None] >> 16
    return (above + below + 2 >> 2).to(torch.uint8)


@lru_cache(maxsize=1024)
def taps(height: int, width: int, size: int) -> torch.Tensor:
    """Return the `neighbours` by which (height, width) are resized to (size, size): those of the
    rows, then those of the columns, (8, size) int32.
    """
    cpu = torch.device("cpu")
    rows = neighbours(height, size, cpu, clamp_weights=False)
    columns = neighbours(width, size, cpu, clamp_weights=True)
    return torch.stack([part.int() for part in (*rows, *columns)])


@lru_cache(maxsize=1024)
def neighbours(
    source: int, size: int, device: torch.device, clamp_weights: bool
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return the two source pixels that each of `size` pixels lies between, and their weights.

    The four tensors (size,) are the first and the second neighbour among `source` pixels, and
    their int32 weights in units of 1 / 2048, rounded as OpenCV does. Beyond the edge both
    neighbours are the last pixel. With `clamp_weights`, as OpenCV has it for columns, the first
    then has the whole weight.
    """
    position = ((np.arange(size) + 0.5) * (1 / (size / source)) - 0.5).astype(np.float32)
    first = np.floor(position).astype(np.int64)
    second_weight = position - first.astype(np.float32)
    if clamp_weights:
        second_weight[(first < 0) | (first >= source - 1)] = 0
    neighbours = [pixel.clip(0, source - 1) for pixel in (first, first + 1)]
    weights = [
        np.rint(weight * np.float32(2048)).astype(np.int32)
        for weight in (np.float32(1) - second_weight, second_weight)
    ]
    return tuple(torch.from_numpy(part).to(device) for part in (*neighbours, *weights))
