"""Pack the stored crops of a batch into one tensor, and finish them on a GPU."""

import math

import torch

from pipeline.data import memory
from pipeline.data.batch import CropRequest, InputBatch, RawBatch, batch_index
from pipeline.data.transforms import mirror, resize


def pack(requests: list[CropRequest]) -> RawBatch:
    """Read the crops of a batch as they are stored, crops of the same size after one another."""
    order = sorted(range(len(requests)), key=lambda number: requests[number].shape[1:])
    in_order = [requests[number] for number in order]
    pixels = memory.batch((sum(math.prod(request.shape) for request in requests),))
    offset = 0
    # Frames or fields by the shape of a single one; a dictionary keeps the order of the pixels.
    counts: dict[tuple[int, ...], int] = {}
    for request in in_order:
        size = math.prod(request.shape)
        request.read_into(pixels[offset : offset + size].numpy().reshape(request.shape))
        offset += size
        count, *shape = request.shape
        counts[tuple(shape)] = counts.get(tuple(shape), 0) + count
    return RawBatch(
        pixels,
        batch_index(requests, order),
        [(count, *shape) for shape, count in counts.items()],
        torch.tensor([request.mirrored for request in in_order for _ in request.positions]),
    )


def finish_on_device(raw: RawBatch, stream: str, size: int) -> InputBatch:
    """Resize and mirror the crops of `raw` to inputs of `size` x `size`, on the device of `raw`.

    The samples are bit-identical to those of `Stream.collate`; the order of the distinct frames or
    fields differs. `stream` is appearance or motion.
    """
    resized, offset = [], 0
    for shape in raw.shapes:
        count = math.prod(shape)
        patches = raw.pixels[offset : offset + count].view(shape)
        offset += count
        if stream == "appearance":
            patches = patches.permute(0, 3, 1, 2)  # (n, h, w, 3) to (n, 3, h, w)
        resized.append(resize(patches, size))  # (n, 3 or 2, size, size)
    pixels = torch.cat(resized)
    mirrored = raw.mirrored[:, None, None, None]  # (n, 1, 1, 1)
    return InputBatch(torch.where(mirrored, mirror(pixels, stream), pixels), raw.index)
