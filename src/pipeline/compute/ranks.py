"""The processes of one training run: one, or as many as torchrun started on this machine.

Rank r of n takes every n-th sample of a batch, and gradients are averaged over the ranks, so the
batch size does not depend on the number of processes. Rank 0 writes files and logs.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext

import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

from pipeline.errors import PipelineError, first_line


def start(on_gpu: bool = False) -> None:
    """Join the process group where torchrun started this process: gloo on CPUs, NCCL on GPUs."""
    if "TORCHELASTIC_RUN_ID" in os.environ and not distributed.is_initialized():
        distributed.init_process_group("cpu:gloo,cuda:nccl" if on_gpu else "gloo")


def rank() -> int:
    """Return the rank of this process, from 0."""
    return distributed.get_rank() if distributed.is_initialized() else 0


def count() -> int:
    """Return the number of processes."""
    return distributed.get_world_size() if distributed.is_initialized() else 1


def shared(module: nn.Module) -> nn.Module:
    """Return a module whose gradients `averaging` averages over the ranks.

    They travel in buckets while the rest of the backward pass is computed. The parameters of the
    module must be equal at all ranks.
    """
    if count() == 1:
        return module
    # Of a teacher beside a baseline the last layer is not used.
    return DistributedDataParallel(
        module,
        broadcast_buffers=False,
        gradient_as_bucket_view=True,
        find_unused_parameters=True,
    )


@contextmanager
def averaging(module: nn.Module, last: bool) -> Iterator[None]:
    """While open, a backward pass adds gradients to those of a `shared` module; the `last` one of
    a step averages their sum over the ranks.

    Raises PipelineError where another rank has ended.
    """
    if count() == 1:
        yield
        return
    with module.no_sync() if not last else nullcontext():
        try:
            yield
        except RuntimeError as error:
            if not _is_of_ranks(error):
                raise
            raise _lost(error) from error


def average(tensors: list[torch.Tensor]) -> None:
    """Replace each tensor by its mean over the ranks, in place and in a single message.

    All tensors must have the same dtype and device.
    """
    if count() == 1:
        return
    flat = torch.cat([tensor.flatten() for tensor in tensors])
    _collective(distributed.all_reduce, flat)
    means = flat.div_(count()).split([tensor.numel() for tensor in tensors])
    for tensor, mean in zip(tensors, means, strict=True):
        tensor.copy_(mean.view(tensor.shape))


def highest(number: int) -> int:
    """Return the highest `number` of all ranks, so that all ranks decide alike.

    It is exchanged between CPUs: none of them waits for its GPU.
    """
    if count() == 1:
        return number
    numbers = torch.tensor([number])
    _collective(distributed.all_reduce, numbers, distributed.ReduceOp.MAX)
    return int(numbers.item())


def broadcast_from_rank0(values: list[int]) -> list[int]:
    """Return the `values` of rank 0 at every rank; all ranks must pass as many values."""
    if count() == 1:
        return values
    received = torch.tensor(values)
    _collective(distributed.broadcast, received, 0)
    return received.tolist()


def shutdown() -> None:
    """Wait for the other ranks, then leave the process group."""
    if distributed.is_initialized():
        _collective(distributed.barrier)
        distributed.destroy_process_group()


def _collective(operation: Callable, *arguments) -> None:
    """Call an operation that all ranks take part in.

    Raises PipelineError where another rank has ended and the operation cannot complete.
    """
    try:
        operation(*arguments)
    except RuntimeError as error:
        raise _lost(error) from error


def _is_of_ranks(error: RuntimeError) -> bool:
    """Return whether an error is that of an exchange between ranks, by gloo or NCCL."""
    words = str(error).lower()
    return isinstance(error, distributed.DistError) or "gloo" in words or "nccl" in words


def _lost(error: RuntimeError) -> PipelineError:
    """Return in words what an error of an exchange between ranks says."""
    reason = first_line(error)
    if "timed out" in reason.lower() or "timeout" in reason.lower():
        return PipelineError(
            f"rank {rank()} waited too long for another process of this training, which did not "
            f"answer ({reason}); the same command resumes from the last checkpoint"
        )
    return PipelineError(
        f"rank {rank()} waited for another process of this training, which has ended ({reason}); "
        "see the message of that process"
    )
