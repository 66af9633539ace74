"""Class groups: the teacher's likeliest classes, always with the true class (section 4.2)."""

import numpy as np
import torch

from pipeline.storage import reader
from pipeline.storage.keys import key_of

# Pads groups that have one class fewer than others.
NO_CLASS = -1


class CachedRankings:
    """The teacher's rankings of the classes at positions of training clips, from groups.h5.

    All of them are read into memory, 17 MB of UCF101, before workers are forked, which share them.
    """

    def __init__(self, path: str, stride: int):
        """`stride` is the number of frames between two ranked positions of a clip."""
        self.path, self.stride = str(path), stride
        # (positions, depth) uint16 by the key of a clip.
        self.ranked = reader.read_all(path, "groups")

    def __call__(self, row: dict, instants) -> np.ndarray:
        """Return the ranked classes (T, depth) int64 of a clip at `instants` (T,).

        An instant has the ranking of the last position that is not after it. Raises PipelineError
        for a clip that the file lacks.
        """
        ranked = self.ranked.get(key_of(row["clip"]))
        if ranked is None:
            raise reader.missing_clip_error(self.path, row)
        # Frames after the last start of a stack have no position of their own.
        positions = np.minimum(np.asarray(instants) // self.stride, len(ranked) - 1)
        return ranked[positions].astype(np.int64)


def rank(logits: torch.Tensor, depth: int) -> torch.Tensor:
    """Return the `depth` likeliest classes (B, depth) of logits (B, N), the likeliest first.

    Classes with equal logits are sorted by their number.
    """
    return logits.sort(dim=-1, descending=True, stable=True).indices[..., :depth]


def form(
    ranked: torch.Tensor, labels: torch.Tensor, size: int, missing: str = "replace"
) -> torch.Tensor:
    """Form a group per sample: the first `size` ranked classes, and always the true class.

    `ranked` is (B, depth >= size), `labels` (B,). `missing` says what is done when the true class
    is not among the first `size`. With 'replace' it takes the place of the last one: all groups
    have the same size, so Eq. 1 weighs them alike; returns (B, size) int64. With 'add' it is one
    class more; returns (B, size + 1), where groups that have it already end with NO_CLASS.
    """
    group = ranked[:, :size].clone().long()  # (B, size)
    absent = ~(group == labels[:, None]).any(dim=1)  # (B,)
    if missing == "add":
        padding = torch.full_like(group[:, :1], NO_CLASS)  # (B, 1)
        group = torch.cat([group, padding], dim=1)  # (B, size + 1)
    # Chosen by value, not by index: the number of absent labels would be asked of a GPU.
    group[:, -1] = torch.where(absent, labels, group[:, -1])
    return group


def form_all(
    ranked: torch.Tensor, labels: torch.Tensor, sizes: list[int], missing: str = "replace"
) -> list[torch.Tensor]:
    """Form the groups of every granularity, from coarse to fine, such as 5, 3 and 1 classes."""
    return [form(ranked, labels, size, missing) for size in sizes]
