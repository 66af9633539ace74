"""Memory for large arrays that come and go: pages that are new cost a CPU more than to fill them does.

A process uses its own memory again (`empty`). What a loader's worker writes for the process that reads it lies in Slots,
memory that both share, which is used again, too. torch would make a new file in /dev/shm of each tensor, if that has room.
"""

import math
import mmap
import weakref
from itertools import count

import numpy as np
import torch
from torch.utils.data import get_worker_info

# Blocks that a process keeps: bytes and float32 of both streams, for this batch and the last.
MAX_BLOCKS = 8
# A block is larger than was asked for, as the next batch may be larger. Pages that nobody touches
# take no memory.
OVERALLOCATE = 1.25
# Bytes of a slot. Only touched pages take memory; a joint ASYN batch of 64 at paper size has 0.2 GB.
SLOT_BYTES = 2**29
RESERVED_WHEN_TOUCHED = mmap.MAP_SHARED | getattr(mmap, "MAP_NORESERVE", 0)


class _Block:
    """Memory that is lent to one array at a time."""

    def __init__(self, size: int):
        # Views of an array that wraps a memoryview have that array as their base, and keep it
        # alive. Views of views of a plain array would have the plain array as their base.
        self.memory = memoryview(np.empty(size, np.uint8))
        self.lent = False

    def lend(self) -> np.ndarray:
        """The block as bytes; it is free again when the array, its views and tensors are gone."""
        owner = np.asarray(self.memory)
        self.lent = True
        weakref.finalize(owner, self._release).atexit = False
        return owner

    def _release(self) -> None:
        self.lent = False


_blocks: list[_Block] = []


def empty(shape: tuple[int, ...], dtype) -> np.ndarray:
    """Like np.empty, in recycled memory where a block is free: no array, view or tensor uses it."""
    size = math.prod(shape) * np.dtype(dtype).itemsize
    for block in _blocks:
        if not block.lent and size <= len(block.memory) <= 2 * OVERALLOCATE * size:
            break
    else:
        block = _Block(int(size * OVERALLOCATE))
        _blocks.append(block)
        del _blocks[:-MAX_BLOCKS]
    return block.lend()[:size].view(dtype).reshape(shape)


class Slots:
    """Memory that a loader shares with its workers: each writes in slots of its own that nobody reads any more.

    Made before the workers are forked, each of which then calls `bind_worker`. A slot is taken until the reader has dropped the
    last tensor in it; where all are taken, or too small, a tensor goes torch's way.
    """

    _here: "Slots | None" = None  # in a worker, its own
    _all: "weakref.WeakValueDictionary[int, Slots]" = weakref.WeakValueDictionary()
    _numbers = count()

    def __init__(self, workers: int, each: int):
        try:
            self.rooms = [
                mmap.mmap(-1, SLOT_BYTES, RESERVED_WHEN_TOUCHED) for _ in range(workers * each)
            ]
        except OSError:  # a system that promises no memory which it may not have
            self.rooms, each = [], 0
        self.number, self.each = next(self._numbers), each
        self.taken = mmap.mmap(-1, max(len(self.rooms), 1))  # a byte of each: 1 or 0
        self.used = [0] * len(self.rooms)  # in a worker: bytes of each that have been touched
        self.lent: dict[int, int] = {}  # in a worker: addresses of the slots' tensors
        self._all[self.number] = self

    def bind_worker(self, worker: int) -> None:
        """Give this worker process its own slots: the loader's worker_init_fn."""
        Slots._here, self.own = self, range(worker * self.each, (worker + 1) * self.each)

    def tensor(self, slot: int, shape: tuple[int, ...]) -> torch.Tensor:
        """What is in a slot. In the reader the slot is free when nothing refers to that any more."""
        array = np.frombuffer(self.rooms[slot], np.uint8, math.prod(shape))
        if Slots._here is not self:
            weakref.finalize(array, self.taken.__setitem__, slot, 0).atexit = False
        return torch.from_numpy(array).view(shape)

    def take(self, shape: tuple[int, ...]) -> torch.Tensor | None:
        """An empty tensor in a slot: one that held as much before, or nothing, or else any; None where none is free."""
        size = math.prod(shape)
        free = [slot for slot in self.own if not self.taken[slot] and size <= SLOT_BYTES]
        if not free:
            return None
        slot = min(free, key=lambda slot: (0 < self.used[slot] < size, abs(self.used[slot] - size)))
        self.taken[slot], self.used[slot] = 1, max(self.used[slot], size)
        tensor = self.tensor(slot, shape)
        self.lent[tensor.data_ptr()] = slot
        return tensor


def batch(shape: tuple[int, ...]) -> torch.Tensor:
    """An empty uint8 tensor; in a loader's worker where the process that asked has it without a copy."""
    if get_worker_info() is None:
        return torch.from_numpy(empty(shape, np.uint8))
    slot = Slots._here.take(shape) if Slots._here else None
    if slot is not None:
        return slot
    return (
        torch.empty(0, dtype=torch.uint8)
        .set_(torch.UntypedStorage._new_shared(math.prod(shape)))
        .view(shape)
    )


class SlotHandle:
    """A tensor in a slot on its way from a worker to the reader, where it is a tensor again."""

    def __init__(self, slots: int, slot: int, shape: tuple[int, ...]):
        self.what = slots, slot, shape

    def __reduce__(self):
        return from_handle, self.what


def to_handle(tensor: torch.Tensor) -> "torch.Tensor | SlotHandle":
    """What a worker sends for a tensor."""
    slots = Slots._here
    if slots is None or tensor.data_ptr() not in slots.lent:
        return tensor
    return SlotHandle(slots.number, slots.lent[tensor.data_ptr()], tuple(tensor.shape))


def from_handle(slots: int, slot: int, shape: tuple[int, ...]) -> torch.Tensor:
    return Slots._all[slots].tensor(slot, shape)
