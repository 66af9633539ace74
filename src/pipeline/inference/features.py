"""Features of a stream's network at every instant of training clips: the file features.h5."""

import hashlib
from collections.abc import Iterable, Iterator

import numpy as np
import torch
from torch import nn

from pipeline.data.instants import count_stack_starts
from pipeline.data.stream import Stream
from pipeline.inference.apply import apply_at_instants
from pipeline.jobs.progress import Progress
from pipeline.storage import reader, writer
from pipeline.storage.keys import key_of


def features_of_clips(
    net: nn.Module,
    stream: Stream,
    rows: list[dict],
    batch_size: int,
    device: torch.device,
    num_workers: int = 0,
    title: str = "features",
) -> Iterator[np.ndarray]:
    """For each clip, the features of a stream's network on the centre crop, at every instant.

    Instants are those that both streams have: a frame and a stack begin there. Yields (instants,
    features) float32, and reports its progress under `title`.
    """
    instants = [np.arange(count_stack_starts(row["frames"] - 1, stream.stack)) for row in rows]
    outputs = apply_at_instants(
        {stream.name: lambda x: net(x).feature},
        {stream.name: stream},
        rows,
        instants,
        batch_size,
        device,
        num_workers,
    )
    progress = Progress(title, len(rows), "clips")
    for row, of_clip in zip(rows, outputs, strict=True):
        yield of_clip[stream.name].cpu().numpy()
        progress.update(1, row["clip"])
    progress.close()


def write_features(
    path: str, rows: list[dict], features: Iterable[np.ndarray], settings: dict, code: str
) -> str:
    """Write the features.h5 of a stream, clip by clip as the `features` (instants, n) come.

    Features take 2 kB an instant at full width, 5 GB for UCF101. Returns a digest of them all, 16
    hex digits.
    """
    digest = hashlib.sha256()
    with writer.create(path, "features", settings, code) as file:
        for row, of_clip in zip(rows, features, strict=True):
            file.create_dataset(key_of(row["clip"]), data=of_clip).attrs["clip"] = row["clip"]
            digest.update(of_clip)
    return digest.hexdigest()[:16]


def read_features(
    paths: Iterable[str], rows: list[dict]
) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """For each clip, its features (instants, n) in the files of the single and the other stream.

    Raises PipelineError for a clip that a file lacks.
    """
    files = [(path, reader.read_all(path, "features")) for path in paths]
    clips = []
    for row in rows:
        for path, arrays in files:
            if key_of(row["clip"]) not in arrays:
                raise reader.missing_clip_error(path, row)
        one, many = (torch.from_numpy(arrays[key_of(row["clip"])]) for _, arrays in files)
        clips.append((one, many))
    return clips
