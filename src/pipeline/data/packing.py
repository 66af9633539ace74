"""Pack the stored crops of a batch into one tensor, and finish them on a GPU."""

import math

import torch

from pipeline.data import memory, transforms
from pipeline.data.batch import CropRequest, InputBatch, RawBatch, batch_index
from pipeline.data.transforms import mirror, resize


def pack(requests: list[CropRequest], size: int) -> RawBatch:
    """Read the crops of a batch as they are stored; inputs will have `size` x `size` pixels."""
    shapes = [request.shape for request in requests]
    pixels = memory.batch((sum(map(math.prod, shapes)),))
    offset, places = 0, []
    for number, (request, shape) in enumerate(zip(requests, shapes, strict=True)):
        of_request = pixels[offset : offset + math.prod(shape)].view(shape)
        request.read_into(of_request.numpy())
        _, *strides = of_request.stride()
        # Frames have their channels last, fields their components first.
        rows, columns, channels = strides if shape[-1] == 3 else (*strides[1:], strides[0])
        for _ in request.positions:
            places.append((offset, rows, columns, channels, request.mirrored, number))
            offset += math.prod(shape[1:])
    return RawBatch(
        pixels,
        batch_index(requests),
        shapes,
        [request.mirrored for request in requests],
        torch.tensor(places),
        torch.stack([transforms.taps(*request.size, size) for request in requests]),
    )


def finish_on_device(raw: RawBatch, stream: str, size: int) -> InputBatch:
    """Resize and mirror the crops of `raw` to inputs of `size` x `size`, on the device of `raw`.

    The batch is bit-identical to that of `Stream.collate`. `stream` is appearance or motion.
    """
    if transforms.has_kernels(raw.pixels.device):
        from pipeline.data import kernels

        channels = 3 if stream == "appearance" else 2
        pixels = kernels.finish_crops(
            raw.pixels, raw.places, raw.taps, channels, stream == "motion"
        )
        return InputBatch(pixels, raw.index)
    finished, offset = [], 0
    for shape, mirrored in zip(raw.shapes, raw.mirrored, strict=True):
        count = math.prod(shape)
        patches = raw.pixels[offset : offset + count].view(shape)
        offset += count
        if stream == "appearance":
            patches = patches.permute(0, 3, 1, 2)  # (n, h, w, 3) to (n, 3, h, w)
        resized = resize(patches, size)  # (n, 3 or 2, size, size)
        finished.append(mirror(resized, stream) if mirrored else resized)
    return InputBatch(torch.cat(finished), raw.index)
