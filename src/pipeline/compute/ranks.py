"""The processes of one training: torchrun starts several on one machine, each with a GPU of its own; else there is one.

Rank r of n takes every n-th draw of a batch, and gradients are averaged over ranks, so that a batch is a batch whatever
their number.
"""

import os
from collections.abc import Callable

import torch
from torch import distributed

from pipeline.errors import PipelineError, first_line


def start() -> None:
    """Join the processes that torchrun started, if it did: gloo between CPUs, NCCL between GPUs."""
    if "TORCHELASTIC_RUN_ID" in os.environ and not distributed.is_initialized():
        distributed.init_process_group(
            "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
        )


def rank() -> int:
    """The number of this process, from 0; the first one writes and speaks."""
    return distributed.get_rank() if distributed.is_initialized() else 0


def count() -> int:
    """How many processes there are."""
    return distributed.get_world_size() if distributed.is_initialized() else 1


def average(tensors: list[torch.Tensor]) -> None:
    """Replace each tensor by its mean over ranks, all in one message. They must be of one dtype and device."""
    if count() == 1:
        return
    flat = torch.cat([tensor.flatten() for tensor in tensors])
    _collective(distributed.all_reduce, flat)
    for tensor, part in zip(
        tensors, flat.div_(count()).split([tensor.numel() for tensor in tensors]), strict=True
    ):
        tensor.copy_(part.view(tensor.shape))


def any_of(flag: bool) -> bool:
    """Whether `flag` is set at any rank: all of them then take the same way."""
    if count() == 1:
        return flag
    flags = torch.tensor([int(flag)])
    _collective(distributed.all_reduce, flags, distributed.ReduceOp.MAX)
    return bool(flags.item())


def broadcast_from_rank0(values: list[int]) -> list[int]:
    """The `values` of rank 0, at every rank; all must give as many."""
    if count() == 1:
        return values
    sent = torch.tensor(values)
    _collective(distributed.broadcast, sent, 0)
    return sent.tolist()


def shutdown() -> None:
    """Wait for the others and part from them."""
    if distributed.is_initialized():
        _collective(distributed.barrier)
        distributed.destroy_process_group()


def _collective(operation: Callable, *arguments) -> None:
    """What all ranks do at once; raises PipelineError where another has ended and they cannot."""
    try:
        operation(*arguments)
    except RuntimeError as error:
        raise PipelineError(
            f"rank {rank()} waited for another process of this training, which has ended "
            f"({first_line(error)}); what it said stands beside this"
        ) from error
