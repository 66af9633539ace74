"""Recycle the memory of large arrays, since new pages cost a CPU more than filling them does.

`empty` recycles memory within a process. `Slots` is memory that a loader shares with its workers:
a worker writes a batch there, and the loader's process uses it without a copy. torch would make a
new file in /dev/shm for each tensor, where that has room.
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
# Bytes of a slot, of which only touched pages take memory. A joint ASYN batch of 64 at paper size
# has 0.2 GB.
SLOT_BYTES = 2**29
# Pages of a slot are neither written nor promised before they are touched.
RESERVED_WHEN_TOUCHED = mmap.MAP_SHARED | getattr(mmap, "MAP_NORESERVE", 0)


class _Block:
    """Memory that is lent to one array at a time."""

    def __init__(self, size: int):
        # numpy gives a view of a view the array that owns the memory as its base, and passes over
        # the array between. It does not look through a memoryview: all views of an array that
        # wraps one have that very array as their base, and keep it alive.
        self.memory = memoryview(np.empty(size, np.uint8))
        self.lent = False

    def lend(self) -> np.ndarray:
        """Return the block as bytes; it is free when the array, its views and tensors are gone."""
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
    """Memory that a loader shares with its workers, in which each worker has slots of its own.

    It must be made before the workers are forked; each of them then calls `bind_worker`. A worker
    takes a slot for a tensor, and the loader's process, called the reader here, frees it when the
    last reference to the tensor is gone. Where all slots are taken, or too small, `batch` makes a
    tensor in torch's own shared memory.
    """

    # The slots that a worker process is bound to; None in the reader.
    _bound: "Slots | None" = None
    # {number: slots of that number}, by which a handle finds them in the reader.
    _by_number: "weakref.WeakValueDictionary[int, Slots]" = weakref.WeakValueDictionary()
    _numbers = count()

    def __init__(self, num_workers: int, slots_per_worker: int):
        try:
            self.buffers = [
                mmap.mmap(-1, SLOT_BYTES, RESERVED_WHEN_TOUCHED)
                for _ in range(num_workers * slots_per_worker)
            ]
        except OSError:
            # Some systems promise no memory that they may not have.
            self.buffers, slots_per_worker = [], 0
        self.number, self.slots_per_worker = next(self._numbers), slots_per_worker
        # A shared byte per slot: 1 while a tensor is in it, else 0.
        self.taken = mmap.mmap(-1, max(len(self.buffers), 1))
        # In a worker: how many bytes of each slot have been touched.
        self.touched = [0] * len(self.buffers)
        # In a worker: {address of a slot's tensor: slot}.
        self.slot_by_address: dict[int, int] = {}
        self._by_number[self.number] = self

    def bind_worker(self, worker: int) -> None:
        """Give a worker process its own slots: the loader's worker_init_fn."""
        first = worker * self.slots_per_worker
        self.own = range(first, first + self.slots_per_worker)
        Slots._bound = self

    def tensor(self, slot: int, shape: tuple[int, ...]) -> torch.Tensor:
        """Return the uint8 tensor in a slot.

        In the reader the slot is free again when nothing refers to the tensor any more.
        """
        # The array wraps an mmap, so that all views and tensors of it keep it alive: see _Block.
        array = np.frombuffer(self.buffers[slot], np.uint8, math.prod(shape))
        if Slots._bound is not self:
            weakref.finalize(array, self.taken.__setitem__, slot, 0).atexit = False
        return torch.from_numpy(array).view(shape)

    def take(self, shape: tuple[int, ...]) -> torch.Tensor | None:
        """Return an uninitialised uint8 tensor in a slot of this worker; None if none is free."""
        size = math.prod(shape)
        free = [slot for slot in self.own if not self.taken[slot] and size <= SLOT_BYTES]
        if not free:
            return None

        def cost(slot: int) -> tuple[bool, int]:
            # A used slot that is too small comes last, as it would grow. Among the others, the
            # slot whose touched bytes are nearest to the size comes first.
            return 0 < self.touched[slot] < size, abs(self.touched[slot] - size)

        slot = min(free, key=cost)
        self.taken[slot], self.touched[slot] = 1, max(self.touched[slot], size)
        tensor = self.tensor(slot, shape)
        self.slot_by_address[tensor.data_ptr()] = slot
        return tensor


def batch(shape: tuple[int, ...]) -> torch.Tensor:
    """Return an uninitialised uint8 tensor for a batch.

    In a loader's worker it lies in shared memory, so that the loader's process has it uncopied.
    """
    if get_worker_info() is None:
        return torch.from_numpy(empty(shape, np.uint8))
    tensor = Slots._bound.take(shape) if Slots._bound else None
    if tensor is not None:
        return tensor
    # What torch's default_collate does in a worker.
    storage = torch.UntypedStorage._new_shared(math.prod(shape))
    return torch.empty(0, dtype=torch.uint8).set_(storage).view(shape)


class SlotHandle:
    """What a worker sends in place of a tensor in a slot; unpickled, it is the tensor again."""

    def __init__(self, slots_number: int, slot: int, shape: tuple[int, ...]):
        self.arguments = slots_number, slot, shape

    def __reduce__(self):
        return from_handle, self.arguments


def to_handle(tensor: torch.Tensor) -> torch.Tensor | SlotHandle:
    """Return the handle of a tensor in a slot of this worker, and any other tensor as it is."""
    slots = Slots._bound
    if slots is None or tensor.data_ptr() not in slots.slot_by_address:
        return tensor
    slot = slots.slot_by_address[tensor.data_ptr()]
    return SlotHandle(slots.number, slot, tuple(tensor.shape))


def from_handle(slots_number: int, slot: int, shape: tuple[int, ...]) -> torch.Tensor:
    """Return the tensor of a handle, in the process that made the slots."""
    return Slots._by_number[slots_number].tensor(slot, shape)
