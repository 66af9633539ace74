"""Recycled memory: a block is used again only when nothing refers to it."""

import gc

import numpy as np
import pytest
import torch

from pipeline.data import memory

KEEPERS = {
    "array": lambda array: array,
    "view": lambda array: array[1:, ::2].reshape(-1),
    "tensor": torch.from_numpy,
    "view of a tensor": lambda array: torch.from_numpy(array)[1:].flatten(),
    "tensor of a view": lambda array: torch.from_numpy(array[2:].view(np.int32)),
    "array of a tensor": lambda array: torch.from_numpy(array)[1:].numpy(),
}


@pytest.mark.parametrize("keeper", KEEPERS.values(), ids=KEEPERS)
def test_a_block_is_used_again_only_when_nothing_refers_to_it(monkeypatch, keeper):
    monkeypatch.setattr(memory, "_blocks", [])
    array = memory.empty((8, 16), np.float32)
    address = array.ctypes.data
    kept = keeper(array)
    del array
    gc.collect()

    other = memory.empty((8, 16), np.float32)
    assert other.ctypes.data != address

    del kept
    gc.collect()
    assert memory.empty((8, 16), np.float32).ctypes.data == address


def test_an_empty_array_has_no_elements():
    assert memory.empty((0, 3), np.float32).shape == (0, 3)


def test_no_more_than_max_blocks_are_kept(monkeypatch):
    """Of more arrays at a time than that, the first ones' memory is given back."""
    monkeypatch.setattr(memory, "_blocks", [])
    arrays = [memory.empty((8, 16), np.float32) for _ in range(memory.MAX_BLOCKS + 3)]
    for number, array in enumerate(arrays):
        array[:] = number
    addresses = [array.ctypes.data for array in arrays]
    assert len(set(addresses)) == len(arrays) and len(memory._blocks) == memory.MAX_BLOCKS
    assert all((array == number).all() for number, array in enumerate(arrays))

    del arrays, array
    gc.collect()
    again = [memory.empty((8, 16), np.float32) for _ in range(memory.MAX_BLOCKS)]
    assert {array.ctypes.data for array in again} == set(addresses[3:])


def test_a_block_is_used_again_for_arrays_of_about_its_size_only(monkeypatch):
    monkeypatch.setattr(memory, "_blocks", [])
    address = memory.empty((1000,), np.uint8).ctypes.data
    for size, recycled in ((1251, False), (499, False), (1250, True), (500, True)):
        array = memory.empty((size,), np.uint8)
        assert (array.ctypes.data == address) == recycled, size
        del array
        del memory._blocks[1:]
