"""Class groups: the teacher's likeliest classes, with the true class always among them (paper, section 4.2)."""

import numpy as np
import torch

from pipeline.storage import reader
from pipeline.storage.keys import key_of


class CachedRankings:
    """The cached rankings of the teacher (groups.h5) at positions of training clips, all of them in memory: 17 MB of UCF101.

    They are read here, before workers are forked, which then share them.
    """

    def __init__(self, path: str, stride: int):
        self.path, self.stride, self.ranked = str(path), stride, reader.read_all(path, "groups")

    def __call__(self, row: dict, instants) -> np.ndarray:
        """(instants, depth) int64 ranked classes; positions between two strides take the one before."""
        ranked = self.ranked.get(key_of(row["clip"]))
        if ranked is None:
            raise reader.missing_clip_error(self.path, row)
        places = np.minimum(np.asarray(instants) // self.stride, len(ranked) - 1)
        return ranked[places].astype(np.int64)


NONE = -1  # no class


def rank(logits: torch.Tensor, depth: int) -> torch.Tensor:
    """(B, N) logits to the (B, depth) likeliest classes, likeliest first; equal logits by class number."""
    return logits.sort(dim=-1, descending=True, stable=True).indices[..., :depth]


def form(
    ranked: torch.Tensor, labels: torch.Tensor, size: int, missing: str = "replace"
) -> torch.Tensor:
    """The group of `size` classes: the first `size` ranked, and the true class when it is not there.

    `ranked` (B, depth >= size), `labels` (B,). With `missing` 'replace' the true class takes the last one's place: the
    size stays, so Eq. 1 weighs all alike; returns (B, size) int64. With 'add' it is one class more; returns
    (B, size + 1), where a group that needs none ends with NONE.
    """
    group = ranked[:, :size].clone().long()
    absent = ~(group == labels[:, None]).any(dim=1)
    if missing == "add":
        group = torch.cat([group, torch.full_like(group[:, :1], NONE)], dim=1)
    group[absent, -1] = labels[absent]
    return group


def form_all(
    ranked: torch.Tensor, labels: torch.Tensor, sizes: list[int], missing: str = "replace"
) -> list[torch.Tensor]:
    """The groups of every granularity, coarse to fine, such as 5, 3 and 1 classes."""
    return [form(ranked, labels, size, missing) for size in sizes]
