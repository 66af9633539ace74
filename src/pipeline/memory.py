"""Memory for large arrays that come and go: pages that are new cost a CPU more than filling them does."""

import math
import sys

import numpy as np
import torch
from torch.utils.data import get_worker_info

KEPT = 4  # blocks that are kept: of both streams, of the batch at hand and of the one before
SPARE = 1.25  # times what was asked for, as the next batch may be larger: pages that nobody touches are not there
FREE = 3  # references to a block that nobody holds: the list's, the loop's and the count's own

_blocks: list[np.ndarray] = []


def empty(shape: tuple[int, ...], dtype) -> np.ndarray:
    """As np.empty, in memory that was used before where nothing refers to that any more, no view and no tensor of it."""
    size = math.prod(shape) * np.dtype(dtype).itemsize
    for block in _blocks:
        if size <= len(block) <= 2 * SPARE * size and sys.getrefcount(block) == FREE:
            break
    else:
        block = np.empty(int(size * SPARE), np.uint8)
        _blocks.append(block)
        del _blocks[:-KEPT]
    return block[:size].view(dtype).reshape(shape)


def batch(shape: tuple[int, ...]) -> torch.Tensor:
    """An empty uint8 tensor; in a loader's worker in shared memory, which the process that asks gets without a copy."""
    if get_worker_info() is None:
        return torch.from_numpy(empty(shape, np.uint8))
    return torch.empty(0, dtype=torch.uint8).set_(torch.UntypedStorage._new_shared(math.prod(shape))).view(shape)
