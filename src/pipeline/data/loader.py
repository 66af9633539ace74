"""Iterate over batches of a dataset on a device, with workers that read ahead.

Sample indices decide what is loaded and in which order. Batches are therefore the same for any
number of workers, and loading resumes anywhere in an epoch. A GPU finishes whole batches, on a CUDA
stream of its own.
"""

import multiprocessing
import signal
import sys
from collections.abc import Callable, Iterable, Iterator

import cv2
import torch
from torch.utils.data import DataLoader, Dataset

from pipeline.data import memory
from pipeline.data.batched import BatchedDataset
from pipeline.errors import MachineError, PipelineError
from pipeline.jobs import machine

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
    """Yield batches of the samples `indices`, in their order, on `device`.

    The last batch may be smaller. `num_workers` processes read, each with open files of its own;
    with 0 this process reads. Raises the PipelineError of a sample as it is, and MachineError where
    a worker was killed.
    """
    # A worker has one core. A forked worker cannot set this itself: it would wait for OpenCV's
    # threads, which it does not inherit.
    _use_one_opencv_thread()
    loader = DataLoader(
        _SampleOrError(dataset),
        batch_sampler=[
            indices[start : start + batch_size] for start in range(0, len(indices), batch_size)
        ],
        collate_fn=_Collate(dataset, device.type),
        num_workers=num_workers,
        prefetch_factor=PREFETCH if num_workers else None,
        pin_memory=device.type == "cuda",
        worker_init_fn=_Begin(_worker_init(num_workers)) if num_workers else None,
        # torch's own generator is that of dropout, which must resume by iteration.
        generator=torch.Generator(),
    )
    host_batches = map(_raise_error, _name_killed_worker(loader))
    if device.type == "cuda":
        yield from _prefetch_to_gpu(host_batches, device, dataset.finish)
    else:
        for batch in host_batches:
            yield dataset.finish(to_device(batch, device))


def to_device(batch, device: torch.device):
    """Return a batch with its tensors on `device`, and anything else as it is."""
    return _map_tensors(lambda tensor: tensor.to(device, non_blocking=True), batch)


def _worker_init(num_workers: int) -> Callable[[int], None]:
    """Return what a worker process calls first, with its number."""
    if multiprocessing.get_start_method() == "fork":
        # The slots live as long as the DataLoader that has their method.
        return memory.Slots(num_workers, STREAMS_PER_BATCH * (PREFETCH + 1)).bind_worker
    # Only a fork inherits slots; otherwise tensors travel in torch's own shared memory.
    return _use_one_opencv_thread


def _use_one_opencv_thread(worker: int = 0) -> None:
    cv2.setNumThreads(1)


# What is handed to a worker is an instance of a class, as neither lambdas nor local functions can
# be pickled under the start methods forkserver and spawn.


class _Begin:
    """What a worker process calls first: `first`; then its threads say no more than they must."""

    def __init__(self, first: Callable[[int], None]):
        self.first = first

    def __call__(self, worker: int) -> None:
        self.first(worker)
        sys.excepthook = _say_unless_left


def _say_unless_left(kind: type, error: BaseException, trace) -> None:
    """Show what a thread of a worker died of, unless the process that it sent to has ended."""
    if not issubclass(kind, EOFError | ConnectionError):
        sys.__excepthook__(kind, error, trace)


class _SampleOrError(Dataset):
    """Samples of a dataset, or the PipelineError of one: torch would wrap it in a traceback."""

    def __init__(self, dataset: BatchedDataset):
        self.dataset = dataset

    def __getitem__(self, index: int) -> dict | PipelineError:
        try:
            return self.dataset[index]
        except PipelineError as error:
            return error


class _Collate:
    """Collates samples into a batch, in a worker, or hands on the message of a PipelineError."""

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


def _name_killed_worker(batches: Iterable) -> Iterator:
    """Yield `batches`; raises MachineError where torch says that a worker was killed."""
    try:
        yield from batches
    except RuntimeError as error:
        if sentence := machine.sentence(error):
            # torch would raise it again, wherever this process is, as other workers end.
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            raise MachineError(sentence) from error
        raise


def _raise_error(batch: dict | str) -> dict:
    if isinstance(batch, str):
        raise PipelineError(batch)
    return batch


def _map_tensors(change: Callable[[torch.Tensor], object], value):
    """Apply `change` to the tensors of nested dictionaries and named tuples."""
    if isinstance(value, torch.Tensor):
        return change(value)
    if isinstance(value, dict):
        return {name: _map_tensors(change, part) for name, part in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(_map_tensors(change, part) for part in value))
    return value


def _prefetch_to_gpu(
    host_batches: Iterator[dict], device: torch.device, finish: Callable[[dict], dict]
) -> Iterator[dict]:
    """Copy and finish a batch on a CUDA stream of its own while the network uses the one before."""
    stream, ready = torch.cuda.Stream(device), None
    for batch in host_batches:
        with torch.cuda.stream(stream):
            pending = finish(to_device(batch, device)), stream.record_event()
        if ready:
            yield _wait_ready(*ready)
        ready = pending
    if ready:
        yield _wait_ready(*ready)


def _wait_ready(batch: dict, done: torch.cuda.Event) -> dict:
    """Let the network's stream wait for a batch, and keep the batch's memory until it has used it.

    Without `record_stream`, torch could give the memory to the next batch while the network reads.
    """
    network_stream = torch.cuda.current_stream()
    network_stream.wait_event(done)
    _map_tensors(lambda tensor: tensor.record_stream(network_stream), batch)
    return batch
