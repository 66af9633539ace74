"""Batches of draws, on the processor that learns from them."""

from collections.abc import Iterator

import torch
from torch.utils.data import DataLoader, Dataset


def batches(draws: Dataset, numbers: range, size: int, processor: torch.device,
            workers: int) -> Iterator[dict[str, torch.Tensor]]:
    """The draws `numbers`, in this order, in batches of `size`, on `processor`; `workers` processes read them."""
    loader = DataLoader(draws, size, sampler=numbers, num_workers=workers, pin_memory=processor.type == "cuda",
                        generator=torch.Generator())  # of its own: torch's is dropout's, which resumes by iteration
    for batch in loader:
        yield {name: value.to(processor, non_blocking=True) for name, value in batch.items()}
