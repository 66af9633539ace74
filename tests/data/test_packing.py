"""Crops are packed into one tensor, and finished on a device as the CPU finishes them."""

import numpy as np
import torch
from data_cases import make_datasets, read_sample, stacked

from pipeline.data import loader


def test_a_gpus_share_of_the_work_gives_the_bits_of_the_cpus(folder):
    """A GPU resizes, mirrors and stacks packed crops as tensors; here a CPU runs the same code."""
    for dataset in make_datasets(folder):
        indices = range(12)
        raw = dataset.collate([dataset[index] for index in indices], "cuda")
        finished = stacked(dataset.finish(raw))
        batches = loader.iterate_batches(dataset, indices, len(indices), torch.device("cpu"), 0)
        on_cpu = stacked(next(batches))
        assert finished.keys() == on_cpu.keys()
        for name, value in on_cpu.items():
            samples = np.stack([read_sample(dataset, index)[name] for index in indices])
            assert torch.equal(value, torch.from_numpy(samples)), name
            assert finished[name].dtype == value.dtype and torch.equal(finished[name], value), name
