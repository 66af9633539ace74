"""Resize, mirror and normalise pixels."""

from functools import lru_cache

import cv2
import numpy as np
import torch

from pipeline.data import memory
from pipeline.data.batch import InputBatch
from pipeline.flow import levels
from pipeline.streams import MEAN, STD


def normalise(pixels: torch.Tensor | InputBatch, stream: str) -> torch.Tensor:
    """(.., C, H, W) of 0 .. 255, any numbers or a batch of Inputs, to float32 of about zero mean and unit scale."""
    if isinstance(pixels, torch.Tensor):
        return _scaled(pixels, stream)
    return (
        _looked_up(pixels, stream)
        if pixels.pixels.device.type == "cpu"
        else _scaled(pixels.stacked, stream)
    )


def _looked_up(pixels: InputBatch, stream: str) -> torch.Tensor:
    """`_scaled` on a CPU, where memory is what takes the time: written once, by a table, into pages that are there."""
    shades = torch.arange(256, dtype=torch.uint8).repeat(len(MEAN[stream]), 1)[
        :, :, None
    ]  # (3 or 1, 256, 1)
    tables = _scaled(shades, stream)[:, :, 0].contiguous().numpy()
    planes, places = pixels.pixels.contiguous().numpy(), pixels.index.numpy()
    each = planes.shape[1:]  # (P, H, W)
    result = memory.empty((*places.shape, *each), np.float32)  # (.., L, P, H, W)
    for place, target in zip(places.flat, result.reshape(-1, *each), strict=True):
        for channel, (plane, out) in enumerate(zip(planes[place], target, strict=True)):
            cv2.LUT(plane, tables[channel % len(tables)][None], dst=out)
    return torch.from_numpy(result).flatten(-4, -3)  # (.., L P, H, W)


def _scaled(pixels: torch.Tensor, stream: str) -> torch.Tensor:
    mean = torch.tensor(MEAN[stream], device=pixels.device)[:, None, None]  # (3 or 1, 1, 1)
    std = torch.tensor(STD[stream], device=pixels.device)[:, None, None]
    return pixels.float().div_(255).sub_(mean).div_(std)


def mirror(planes: torch.Tensor, stream: str) -> torch.Tensor:
    """Frames (.., 3, H, W) or fields (.., 2, H, W) of the mirrored clip, where x is negated, too."""
    flipped = planes.flip(-1)
    if stream == "motion":
        flipped[..., 0, :, :] = levels.negated(flipped[..., 0, :, :])
    return flipped


def resize(planes: torch.Tensor, size: int) -> torch.Tensor:
    """(.., h, w) uint8 to (.., size, size), bilinearly, with the bits of cv2.resize: its fixed-point arithmetic.

    Weights of 11 bits; rows keep 7 of the 11 bits that columns added, and the sum is rounded once
    (opencv/modules/imgproc/src/resize.cpp, VResizeLinear for uchar).
    """
    top, bottom, upper, lower = _neighbours(planes.shape[-2], size, planes.device, clamped=False)
    left, right, before, after = _neighbours(planes.shape[-1], size, planes.device, clamped=True)
    rows = planes[..., left].int() * before + planes[..., right].int() * after  # (.., h, size)
    rows = rows >> 4
    above, below = (
        rows[..., top, :] * upper[:, None] >> 16,
        rows[..., bottom, :] * lower[:, None] >> 16,
    )
    return (above + below + 2 >> 2).to(torch.uint8)


@lru_cache(maxsize=1024)
def _neighbours(
    source: int, size: int, device: torch.device, clamped: bool
) -> tuple[torch.Tensor, ...]:
    """Of each of `size` pixels the two of `source` that it lies between and their weights in 1 / 2048, as cv2 rounds.

    Beyond the edge both are the last pixel: `clamped`, as of columns, the first of them has the whole weight.
    """
    position = ((np.arange(size) + 0.5) * (1 / (size / source)) - 0.5).astype(np.float32)
    first = np.floor(position).astype(np.int64)
    weight = position - first.astype(np.float32)
    if clamped:
        weight[(first < 0) | (first >= source - 1)] = 0
    places = [place.clip(0, source - 1) for place in (first, first + 1)]
    weights = [
        np.rint(part * np.float32(2048)).astype(np.int32)
        for part in (np.float32(1) - weight, weight)
    ]
    return tuple(torch.from_numpy(part).to(device) for part in (*places, *weights))
