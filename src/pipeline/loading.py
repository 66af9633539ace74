"""Draws in batches on a device: workers read ahead, and a GPU does in batch what a CPU does sample by sample.

The numbers of the draws decide what is loaded and in which order, so batches are the same for any number of workers and go
on anywhere in an epoch. Draws are any dataset whose item of a number is a dictionary of arrays and numbers. Those that also
have `raw(number)`, `pack(items)` and `finish(batch)` leave their last steps to a GPU: `raw` and `pack` run in a worker,
`finish` there (see `inputs.CropDraws`).
"""

from collections.abc import Callable, Iterator

import cv2
import torch
from torch.utils.data import DataLoader, Dataset, default_collate

from pipeline.errors import PipelineError

AHEAD = 2  # batches that each worker holds ready


def batches(draws: Dataset, numbers: range, size: int, processor: torch.device,
            workers: int) -> Iterator[dict[str, torch.Tensor]]:
    """Batches of `size` of the draws `numbers`, in their order, as tensors on `processor`; the last may be smaller.

    `workers`: processes that read, each with open files of its own; with 0 this one reads.
    Raises the PipelineError of a draw as it is.
    """
    cv2.setNumThreads(1)  # a worker is one core's work; set there, it would wait for threads that no fork takes over
    in_parts = processor.type == "cuda" and hasattr(draws, "raw")
    loader = DataLoader(_Batches(draws.raw if in_parts else draws.__getitem__, draws.pack if in_parts else default_collate),
                        sampler=[numbers[start:start + size] for start in range(0, len(numbers), size)], batch_size=None,
                        num_workers=workers, prefetch_factor=AHEAD if workers else None,
                        pin_memory=processor.type == "cuda",
                        generator=torch.Generator())  # of its own: torch's is dropout's, which resumes by iteration
    finish = draws.finish if in_parts else dict
    host = map(_raised, loader)
    yield from _ahead(host, processor, finish) if processor.type == "cuda" else (moved(batch, processor) for batch in host)


def moved(value, processor: torch.device):
    """Tensors of a batch on `processor`, at any depth of its dictionaries and named tuples; what is no tensor as it is."""
    if isinstance(value, torch.Tensor):
        return value.to(processor, non_blocking=True)
    if isinstance(value, dict):
        return {name: moved(part, processor) for name, part in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(moved(part, processor) for part in value))
    return value


class _Batches(Dataset):
    """Whole batches as items: a range of numbers gives its draws, collated, or the error that one of them ended in."""

    def __init__(self, read: Callable[[int], dict], collate: Callable[[list], dict]):
        self.read, self.collate = read, collate

    def __getitem__(self, numbers: range) -> dict | str:
        try:
            return self.collate([self.read(number) for number in numbers])
        except PipelineError as error:  # torch would wrap it in a traceback
            return str(error)


def _raised(batch: dict | str) -> dict:
    if isinstance(batch, str):
        raise PipelineError(batch)
    return batch


def _ahead(host: Iterator[dict], processor: torch.device, finish: Callable[[dict], dict]) -> Iterator[dict]:
    """Copy and finish each batch on a CUDA stream of its own, while the network computes on the one before."""
    stream, ready = torch.cuda.Stream(processor), None
    for batch in host:
        with torch.cuda.stream(stream):
            begun = finish(moved(batch, processor)), stream.record_event()
        if ready:
            yield _taken(*ready)
        ready = begun
    if ready:
        yield _taken(*ready)


def _taken(batch: dict, done: torch.cuda.Event) -> dict:
    """Let the network's stream wait for a batch, and keep its memory until that stream is through with it."""
    current = torch.cuda.current_stream()
    current.wait_event(done)
    for tensor in batch.values():
        tensor.record_stream(current)
    return batch
