"""Class groups: the teacher's likeliest classes, with the true class always among them (paper, section 4.2)."""

import torch


def rank(logits: torch.Tensor, depth: int) -> torch.Tensor:
    """(B, N) logits to the (B, depth) likeliest classes, likeliest first; equal logits by class number."""
    return logits.sort(dim=-1, descending=True, stable=True).indices[..., :depth]


def form(ranked: torch.Tensor, labels: torch.Tensor, size: int) -> torch.Tensor:
    """The group of `size` classes: the first `size` ranked, the true class in the last's place when it is not there.

    `ranked` (B, depth >= size), `labels` (B,). Returns (B, size) int64. The size stays, so Eq. 1 weighs all alike.
    """
    group = ranked[:, :size].clone().long()
    absent = ~(group == labels[:, None]).any(dim=1)
    group[absent, -1] = labels[absent]
    return group


def form_all(ranked: torch.Tensor, labels: torch.Tensor, sizes: list[int]) -> list[torch.Tensor]:
    """The groups of every granularity, coarse to fine, such as 5, 3 and 1 classes."""
    return [form(ranked, labels, size) for size in sizes]
