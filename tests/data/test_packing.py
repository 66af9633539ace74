"""Crops are packed into one tensor, and finished on a device as the CPU finishes them."""

import numpy as np
import torch
from data_cases import make_datasets, stacked

from pipeline.data import loader


def test_a_gpus_share_of_the_work_gives_the_bits_of_the_cpus(folder):
    """Patches packed, then resized, mirrored and stacked as tensors: what a GPU does, here on the CPU."""
    for draws in make_datasets(folder):
        numbers = range(12)
        finished = stacked(
            draws.finish(draws.collate([draws[number] for number in numbers], "cuda"))
        )
        whole = stacked(
            next(loader.iterate_batches(draws, numbers, len(numbers), torch.device("cpu"), 0))
        )
        assert finished.keys() == whole.keys()
        for name, value in whole.items():
            assert torch.equal(
                value, torch.from_numpy(np.stack([draws.read(number)[name] for number in numbers]))
            ), name
            assert finished[name].dtype == value.dtype and torch.equal(finished[name], value), name
