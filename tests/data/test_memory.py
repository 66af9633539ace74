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
