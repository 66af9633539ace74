"""Draws in batches on a device: workers read ahead, and a GPU does in batch what a CPU does sample by sample.

The numbers of the draws decide what is loaded and in which order, so batches are the same for any number of workers and go
on anywhere in an epoch. Draws are any dataset whose item of a number is a dictionary of arrays and numbers. Those that also
have `batch(numbers)` make their batches themselves, and for a GPU `packed(numbers)`, in a worker, and `finish(batch)`, there
(see `draws.CropDraws`).
"""

import multiprocessing
from collections.abc import Callable, Iterator

import cv2
import torch
from torch.utils.data import DataLoader, Dataset, default_collate

from pipeline.data import memory
from pipeline.errors import PipelineError

PREFETCH = 2  # batches that each worker holds ready
STREAMS_PER_BATCH = 2  # large tensors of a batch: a period has one of each stream


def iterate_batches(
    draws: Dataset, numbers: range, size: int, processor: torch.device, workers: int
) -> Iterator[dict[str, torch.Tensor]]:
    """Batches of `size` of the draws `numbers`, in their order, as tensors on `processor`; the last may be smaller.

    `workers`: processes that read, each with open files of its own; with 0 this one reads.
    Raises the PipelineError of a draw as it is.
    """
    cv2.setNumThreads(
        1
    )  # a worker is one core's work; set there, it would wait for threads that no fork takes over
    own, gpu = hasattr(draws, "batch"), processor.type == "cuda"
    read = (
        draws.packed
        if own and gpu
        else draws.batch
        if own
        else lambda part: default_collate([draws[n] for n in part])
    )
    forked = workers and multiprocessing.get_start_method() == "fork"
    slots = memory.Slots(workers, STREAMS_PER_BATCH * (PREFETCH + 1)) if forked else None
    loader = DataLoader(
        _BatchDataset(read),
        sampler=[numbers[start : start + size] for start in range(0, len(numbers), size)],
        batch_size=None,
        num_workers=workers,
        prefetch_factor=PREFETCH if workers else None,
        pin_memory=gpu,
        worker_init_fn=slots.enter if slots else None,
        generator=torch.Generator(),
    )  # of its own: torch's is dropout's, which resumes by iteration
    finish = draws.finish if own else dict
    host = map(_raise_error, loader)
    yield from (
        _prefetch_to_gpu(host, processor, finish)
        if gpu
        else (to_device(batch, processor) for batch in host)
    )


def to_device(value, processor: torch.device):
    """Tensors of a batch on `processor`; what is no tensor as it is."""
    return _map_tensors(lambda tensor: tensor.to(processor, non_blocking=True), value)


def _map_tensors(change: Callable[[torch.Tensor], object], value):
    """A batch with `change` made to its tensors, at any depth of its dictionaries and named tuples."""
    if isinstance(value, torch.Tensor):
        return change(value)
    if isinstance(value, dict):
        return {name: _map_tensors(change, part) for name, part in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(_map_tensors(change, part) for part in value))
    return value


class _BatchDataset(Dataset):
    """Whole batches as items: a range of numbers gives its draws, or the error that one of them ended in."""

    def __init__(self, read: Callable[[range], dict]):
        self.read = read

    def __getitem__(self, numbers: range) -> dict | str:
        try:
            return _map_tensors(memory.to_handle, self.read(numbers))
        except PipelineError as error:  # torch would wrap it in a traceback
            return str(error)


def _raise_error(batch: dict | str) -> dict:
    if isinstance(batch, str):
        raise PipelineError(batch)
    return batch


def _prefetch_to_gpu(
    host: Iterator[dict], processor: torch.device, finish: Callable[[dict], dict]
) -> Iterator[dict]:
    """Copy and finish each batch on a CUDA stream of its own, while the network computes on the one before."""
    stream, ready = torch.cuda.Stream(processor), None
    for batch in host:
        with torch.cuda.stream(stream):
            begun = finish(to_device(batch, processor)), stream.record_event()
        if ready:
            yield _wait_ready(*ready)
        ready = begun
    if ready:
        yield _wait_ready(*ready)


def _wait_ready(batch: dict, done: torch.cuda.Event) -> dict:
    """Let the network's stream wait for a batch, and keep its memory until that stream is through with it."""
    current = torch.cuda.current_stream()
    current.wait_event(done)
    _map_tensors(lambda tensor: tensor.record_stream(current), batch)
    return batch
