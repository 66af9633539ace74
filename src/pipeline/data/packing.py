"""Pack the crops of a batch into one tensor, and finish them on a GPU."""

import math
from collections.abc import Iterable

import numpy as np
import torch

from pipeline.data import memory
from pipeline.data.batch import CropRequest, InputBatch, RawBatch
from pipeline.data.transforms import mirror, resize


def batch_index(cuts: list[CropRequest], order: Iterable[int]) -> torch.Tensor:
    """Places (B, T, 1 or L) among the planes of all `cuts`, which stand one after the other in the `order` given."""
    places, at = [cut.index for cut in cuts], 0
    for place in order:
        places[place], at = places[place] + at, at + len(cuts[place].positions)
    return torch.from_numpy(np.stack(places))


def pack(cuts: list[CropRequest]) -> RawBatch:
    order = sorted(range(len(cuts)), key=lambda place: cuts[place].shape[1:])
    pixels, at = memory.batch((sum(math.prod(cut.shape) for cut in cuts),)), 0
    for cut in (cuts[place] for place in order):
        size = math.prod(cut.shape)
        cut.read_into(pixels[at : at + size].numpy().reshape(cut.shape))
        at += size
    shapes: dict[tuple[int, ...], int] = {}  # in the order of the pixels
    for place in order:
        count, *each = cuts[place].shape
        shapes[tuple(each)] = shapes.get(tuple(each), 0) + count
    mirrored = [cuts[place].mirrored for place in order for _ in cuts[place].positions]
    return RawBatch(
        pixels,
        batch_index(cuts, order),
        [(count, *each) for each, count in shapes.items()],
        torch.tensor(mirrored),
    )


def finish_on_device(packed: RawBatch, stream: str, size: int) -> InputBatch:
    """The inputs that `Stream.collate` gives, to the byte, on the device of `packed`; their planes in another order."""
    planes, at = [], 0
    for shape in packed.shapes:
        patches = packed.pixels[at : at + math.prod(shape)].view(shape)
        planes.append(
            resize(patches.permute(0, 3, 1, 2) if stream == "appearance" else patches, size)
        )  # (n, P, size, size)
        at += math.prod(shape)
    ready = torch.cat(planes)
    return InputBatch(
        torch.where(packed.mirrored[:, None, None, None], mirror(ready, stream), ready),
        packed.index,
    )
