"""Iterate over batches of a dataset on a device, with workers that read ahead.

Sample indices decide what is loaded and in which order. Batches are therefore the same for any
number of workers, and loading resumes anywhere in an epoch. A GPU finishes whole batches, on a CUDA
stream of its own.
"""

import multiprocessing
from collections.abc import Callable, Iterator

import cv2
import torch
from torch.utils.data import DataLoader, Dataset

from pipeline.data import memory
from pipeline.data.batched import BatchedDataset
from pipeline.errors import PipelineError

# Batches that each worker holds ready.
PREFETCH = 2
# Large tensors of a batch: a period has one of each stream.
STREAMS_PER_BATCH = 2


def iterate_batches(
    dataset: BatchedDataset,
    indices: range,
    batch_size: int,
    device: torch.device,
    num_workers: int,
) -> Iterator[dict]:
    """Batches of the samples `indices`, in their order, on `device`; the last may be smaller.

    `num_workers` processes read, each with open files of its own; with 0 this process reads.
    Raises the PipelineError of a sample as it is.
    """
    # A worker has one core. Set in the worker, this would wait for threads that no fork inherits.
    cv2.setNumThreads(1)
    gpu = device.type == "cuda"
    # Other start methods cannot inherit slots; tensors then travel in torch's shared memory.
    forked = num_workers and multiprocessing.get_start_method() == "fork"
    slots = memory.Slots(num_workers, STREAMS_PER_BATCH * (PREFETCH + 1)) if forked else None
    loader = DataLoader(
        _ItemOrError(dataset),
        batch_sampler=[
            indices[start : start + batch_size] for start in range(0, len(indices), batch_size)
        ],
        collate_fn=_Collate(dataset, device.type),
        num_workers=num_workers,
        prefetch_factor=PREFETCH if num_workers else None,
        pin_memory=gpu,
        worker_init_fn=slots.bind_worker if slots else None,
        # torch's own generator is that of dropout, which must resume by iteration.
        generator=torch.Generator(),
    )
    host = map(_raise_error, loader)
    if gpu:
        yield from _prefetch_to_gpu(host, device, dataset.finish)
    else:
        for batch in host:
            yield dataset.finish(to_device(batch, device))


def to_device(value, device: torch.device):
    """Tensors of a batch on `device`; anything else as it is."""
    return _map_tensors(lambda tensor: tensor.to(device, non_blocking=True), value)


def _map_tensors(change: Callable[[torch.Tensor], object], value):
    """Apply `change` to the tensors of nested dictionaries and named tuples."""
    if isinstance(value, torch.Tensor):
        return change(value)
    if isinstance(value, dict):
        return {name: _map_tensors(change, part) for name, part in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(_map_tensors(change, part) for part in value))
    return value


class _ItemOrError(Dataset):
    """Samples of a dataset, or the PipelineError of one: torch would wrap it in a traceback."""

    def __init__(self, dataset: BatchedDataset):
        self.dataset = dataset

    def __getitem__(self, index: int) -> dict | PipelineError:
        try:
            return self.dataset[index]
        except PipelineError as error:
            return error


class _Collate:
    """Collates samples in a worker into a batch, or into the sentence of an error.

    A class and no local function, so that it pickles under the start methods forkserver and spawn.
    """

    def __init__(self, dataset: BatchedDataset, device_type: str):
        self.dataset, self.device_type = dataset, device_type

    def __call__(self, items: list[dict | PipelineError]) -> dict | str:
        for item in items:
            if isinstance(item, PipelineError):
                return str(item)
        try:
            batch = self.dataset.collate(items, self.device_type)
        except PipelineError as error:
            return str(error)
        return _map_tensors(memory.to_handle, batch)


def _raise_error(batch: dict | str) -> dict:
    if isinstance(batch, str):
        raise PipelineError(batch)
    return batch


def _prefetch_to_gpu(
    host: Iterator[dict], device: torch.device, finish: Callable[[dict], dict]
) -> Iterator[dict]:
    """Copy and finish a batch on its own CUDA stream while the network uses the one before."""
    stream, ready = torch.cuda.Stream(device), None
    for batch in host:
        with torch.cuda.stream(stream):
            pending = finish(to_device(batch, device)), stream.record_event()
        if ready:
            yield _wait_ready(*ready)
        ready = pending
    if ready:
        yield _wait_ready(*ready)


def _wait_ready(batch: dict, done: torch.cuda.Event) -> dict:
    """Let the network's stream wait for a batch, and keep its memory until it has used it."""
    current = torch.cuda.current_stream()
    current.wait_event(done)
    _map_tensors(lambda tensor: tensor.record_stream(current), batch)
    return batch
