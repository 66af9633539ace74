"""A small set whose pixels tell where and when they were read, and streams and datasets of it."""

from pathlib import Path

import numpy as np
import torch

from pipeline.data import loader
from pipeline.data.crops import Crop
from pipeline.data.dataset import (
    ClipDataset,
    CropDataset,
    PeriodDataset,
    SnippetDataset,
    StreamDataset,
)
from pipeline.data.groups import CachedRankings
from pipeline.data.stream import Stream
from pipeline.storage import decoding, writer
from pipeline.storage.codecs import DEFAULT_CODEC, Codec
from pipeline.storage.keys import key_of
from pipeline.streams import DIRECTIONS, STORES

WIDTH, HEIGHT = 80, 60
# Motion crops are all 48 x 48, the network's input size: they are not resized, so that their pixels
# can be recognised.
CROPS = {
    "frame": [WIDTH, HEIGHT],
    "size": 48,
    "test": 48,
    "appearance": [60, 48],
    "motion": [48],
    "flip": True,
}
# Fields of a stack, frames between two instants of a period, and ranked classes of a position.
STACK, DELTA, DEPTH = 3, 2, 5
COLUMNS = 3 * np.arange(WIDTH, dtype=np.uint8)
PICTURE = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH)).astype(np.uint8)
LENGTHS = {
    "Archery/v_Archery_g01_c01": 30,
    "Bowling/v_Bowling_g01_c01": 25,
    "Diving/v_Diving_g01_c01": 6,
}
ROWS = [
    {
        "clip": clip,
        "path": f"{clip}.avi",
        "sha256": "0",
        "frames": frames,
        "label": label,
        "shard": "000",
    }
    for label, (clip, frames) in enumerate(LENGTHS.items())
]
LONG, _, SHORT = ROWS


def stamped_frames(row: dict):
    """Yield the frames of a clip: t in red, COLUMNS in green, PICTURE in blue."""
    for t in range(row["frames"]):
        yield np.dstack([np.full_like(PICTURE, t), np.tile(COLUMNS, (HEIGHT, 1)), PICTURE])


def stamped_fields(row: dict):
    """Yield the flow fields of a clip: 100 + t in x, PICTURE in y."""
    for t in range(row["frames"] - 1):
        yield np.stack([np.full_like(PICTURE, 100 + t), PICTURE])


def write_set(
    folder: Path,
    rows: list[dict] = ROWS,
    frames=stamped_frames,
    fields=stamped_fields,
    codec: Codec = DEFAULT_CODEC,
) -> Path:
    """Write the frames, the flow and the rankings of a set under `folder`."""
    for name, kind, items in (("frames", "frames", frames), ("flow", "flow", fields)):
        path = folder / name / "000.h5"
        writer.write_shard(path, kind, rows, items, {}, "test", "test", codec=codec)
    with writer.create(folder / "groups.h5", "groups", {}, "test") as file:
        for row in rows:
            # Position p ranks the classes p, p + 1 ..
            ranked = np.arange(row["frames"])[:, None] + np.arange(DEPTH)
            file[key_of(row["clip"])] = ranked.astype(np.uint16)
    return folder


def make_stream(folder: Path, name: str, stack: int = STACK, **changes) -> Stream:
    """A stream of ROWS under `folder`, with some of the settings CROPS changed."""
    return Stream(name, folder / STORES[name], CROPS | changes, stack, ROWS)


def make_stream_dataset(
    folder: Path, name: str = "motion", seed: int = 1, rows: list[dict] = ROWS
) -> StreamDataset:
    rankings = CachedRankings(folder / "groups.h5", 1)
    return StreamDataset(rows, make_stream(folder, name), seed, rankings)


def make_period_dataset(
    folder: Path, direction: str, seed: int = 1, rows: list[dict] = ROWS
) -> PeriodDataset:
    streams = [make_stream(folder, name) for name in DIRECTIONS[direction]]
    rankings = [CachedRankings(folder / "groups.h5", 1) for _ in streams]
    return PeriodDataset(rows, *streams, seed, DELTA, 5, *rankings)


def make_datasets(folder: Path, seed: int = 1) -> list:
    """A dataset of each stream, one of each direction, then one of snippets."""
    return [
        make_stream_dataset(folder, "appearance", seed),
        make_stream_dataset(folder, "motion", seed),
        *(make_period_dataset(folder, direction, seed) for direction in DIRECTIONS),
        SnippetDataset(ROWS, make_stream(folder, "motion"), seed, 3),
    ]


def stacked(batch: dict) -> dict[str, torch.Tensor]:
    """A batch, or a sample, with its inputs stacked."""
    return {name: getattr(value, "stacked", value) for name, value in batch.items()}


def equal(first: dict, second: dict) -> bool:
    """Whether two batches, or two samples, have the same values."""
    first, second = stacked(first), stacked(second)
    return first.keys() == second.keys() and all(
        np.array_equal(first[key], second[key]) for key in first
    )


def read_sample(dataset: CropDataset, index: int) -> dict:
    """A sample with its inputs, uint8 (T, channels, size, size) or (channels, size, size)."""
    return {
        key: dataset.streams[key].collate([value]).stacked[0].numpy()
        if key in dataset.streams
        else value
        for key, value in dataset[index].items()
    }


def read_crops(
    source: Stream, row: dict, instants: np.ndarray, crops: list[Crop]
) -> list[np.ndarray]:
    """Inputs (T, channels, size, size) of each crop, from a single read of the clip."""
    clips = ClipDataset({source.name: source}, [(row, instants)], crops)
    (batch,) = loader.iterate_batches(clips, range(1), 1, torch.device("cpu"), 0)
    return [inputs.stacked.numpy() for inputs in source.iter_crops(batch[source.name])]


def record_reads(monkeypatch) -> list[tuple[list[int], slice, slice]]:
    """A list that gets the positions, rows and columns of every read of the store."""
    reads, read = [], decoding.frames_or_fields

    def recorded(data, positions, rows, columns):
        reads.append((list(positions), rows, columns))
        return read(data, positions, rows, columns)

    monkeypatch.setattr(decoding, "frames_or_fields", recorded)
    return reads
