"""Features of both streams at every instant of each clip."""

import numpy as np
import torch
from torch import nn

from pipeline.data.stream import Stream
from pipeline.inference.apply import apply_at_instants
from pipeline.jobs.progress import Progress


def features_of_clips(
    model: nn.Module,
    streams: tuple[Stream, Stream],
    rows: list[dict],
    batch_size: int,
    device: torch.device,
    num_workers: int = 0,
) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Features (instants, hidden) of both `streams` of an ASYN `model` for each clip, on the CPU.

    Instants are those that both streams have. Features take 4 kB per instant at full width, 10 GB
    for UCF101.
    """
    model.to(device).eval()
    names = [stream.name for stream in streams]
    nets = {
        name: lambda x, net=net: net(x).feature
        for name, net in zip(names, (model.one, model.many), strict=True)
    }
    instants = [np.arange(min(stream.last_instant(row) for stream in streams) + 1) for row in rows]
    outputs = apply_at_instants(
        nets,
        dict(zip(names, streams, strict=True)),
        rows,
        instants,
        batch_size,
        device,
        num_workers,
    )
    progress = Progress("features", len(rows), "clips")
    features = []
    for row, of_clip in zip(rows, outputs, strict=True):
        # A clone is no inference tensor, so that training can save it for its backward pass.
        features.append(tuple(of_clip[name].cpu().clone() for name in names))
        progress.update(1, row["clip"])
    progress.close()
    return features
