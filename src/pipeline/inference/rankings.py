"""The teacher's rankings of the classes at positions of training clips: the file groups.h5."""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from pipeline.data import groups
from pipeline.data.stream import Stream
from pipeline.inference.apply import apply_at_instants
from pipeline.jobs.progress import Progress
from pipeline.storage import writer
from pipeline.storage.keys import key_of


@dataclass
class TeacherHits:
    """How often the true class has each of the teacher's ranks, over a number of positions."""

    positions: int
    by_rank: np.ndarray

    def share(self, size: int) -> float:
        """The share of positions whose true class is among the `size` likeliest."""
        return float(self.by_rank[:size].sum() / self.positions)


def rank_clips(
    teacher: nn.Module,
    stream: Stream,
    rows: list[dict],
    depth: int,
    stride: int,
    batch_size: int,
    device: torch.device,
    num_workers: int = 0,
    title: str = "groups",
) -> Iterator[np.ndarray]:
    """For each clip, the `depth` likeliest classes at every `stride`-th position, likeliest first.

    A position is one that a training sample can start at; the teacher sees its centre crop.
    Yields (positions, depth) uint16, and reports its progress under `title`.
    """
    instants = [np.arange(0, stream.last_instant(row) + 1, stride) for row in rows]
    outputs = apply_at_instants(
        {stream.name: teacher},
        {stream.name: stream},
        rows,
        instants,
        batch_size,
        device,
        num_workers,
    )
    progress = Progress(title, len(rows), "clips")
    for row, logits in zip(rows, outputs, strict=True):
        yield groups.rank(logits[stream.name], depth).cpu().numpy().astype(np.uint16)
        progress.update(1, row["clip"])
    progress.close()


def write_rankings(
    path: str,
    rows: list[dict],
    rankings: Iterable[np.ndarray],
    classes: list[str],
    depth: int,
    settings: dict,
    code: str,
) -> tuple[str, TeacherHits]:
    """Write the groups.h5 of a stream, clip by clip as the `rankings` (positions, depth) come.

    Returns a digest of all rankings, 16 hex digits, and how often they hold the true class.
    """
    digest, hits = hashlib.sha256(), TeacherHits(0, np.zeros(depth))
    with writer.create(path, "groups", settings, code, classes=classes) as file:
        for row, ranked in zip(rows, rankings, strict=True):
            data = file.create_dataset(key_of(row["clip"]), data=ranked)
            data.attrs.update({"clip": row["clip"], "label": row["label"]})
            digest.update(ranked)
            hits.by_rank += (ranked == row["label"]).sum(axis=0)
            hits.positions += len(ranked)
    return digest.hexdigest()[:16], hits
