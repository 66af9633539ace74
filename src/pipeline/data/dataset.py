"""Datasets of training samples, and of whole clips for trained networks.

Everything about a training sample follows from the seed and its index (`sampler`). Indices count
on over all epochs, so they may exceed the number of clips.
"""

import numpy as np
import torch
from torch.utils.data import default_collate

from pipeline.data import memory, sampler
from pipeline.data.batch import ClipPixels, CropRequest, RawBatch
from pipeline.data.batched import BatchedDataset
from pipeline.data.crops import Crop
from pipeline.data.groups import CachedRankings
from pipeline.data.instants import draw_period, draw_snippets
from pipeline.data.packing import finish_on_device, pack
from pipeline.data.stream import Stream


class CropDataset(BatchedDataset):
    """Samples with crops of streams: `__getitem__` returns a CropRequest per stream and labels.

    On a CPU, `collate` reads the requests of each stream into an InputBatch. For a GPU it only
    reads stored pixels, into a RawBatch, which `finish` turns into the same inputs there.
    """

    # By the key under which a sample has the request of the stream.
    streams: dict[str, Stream]

    def collate(self, items: list[dict], device_type: str) -> dict:
        """Read the requests of a batch and collate its labels.

        Raises PipelineError when stored pixels cannot be decoded.
        """
        return {
            key: self._collate_values(key, [item[key] for item in items], device_type)
            for key in items[0]
        }

    def finish(self, batch: dict) -> dict:
        """Make inputs of the raw pixels of a batch, on the device where they are."""
        return batch | {
            key: finish_on_device(batch[key], stream.name, stream.size)
            for key, stream in self.streams.items()
            if isinstance(batch[key], RawBatch)
        }

    def _collate_values(self, key: str, values: list, device_type: str):
        if key not in self.streams:
            return default_collate(values)
        stream = self.streams[key]
        return pack(values, stream.size) if device_type == "cuda" else stream.collate(values)


class StreamDataset(CropDataset):
    """Training samples of one stream: a random instant of a random clip, in a random crop."""

    def __init__(
        self, rows: list[dict], stream: Stream, seed: int, rankings: CachedRankings | None = None
    ):
        """`rows` are the index rows of the training clips."""
        self.rows, self.stream, self.seed, self.rankings = rows, stream, seed, rankings
        self.streams = {"input": stream}

    def __getitem__(self, index: int) -> dict:
        """Return "input", "label" and, with rankings, the ranked classes "groups" (depth,)."""
        rng = sampler.sample_rng(self.seed, index)
        row = self.rows[sampler.clip_index(len(self.rows), self.seed, index)]
        instant = int(rng.integers(self.stream.last_instant(row) + 1))
        item = {
            "input": self.stream.request(row, instant, self.stream.training_crop(rng)),
            "label": row["label"],
        }
        if self.rankings:
            item["groups"] = self.rankings(row, [instant])[0]
        return item


class SnippetDataset(CropDataset):
    """Training samples of one stream: an instant of each segment of a random clip (TSN).

    All inputs of a sample show the same crop.
    """

    def __init__(self, rows: list[dict], stream: Stream, seed: int, segments: int):
        """`rows` are the index rows of the training clips."""
        self.rows, self.stream, self.seed, self.segments = rows, stream, seed, segments
        self.streams = {"input": stream}

    def __getitem__(self, index: int) -> dict:
        """Return "input", of `segments` instants, and "label"."""
        rng = sampler.sample_rng(self.seed, index)
        row = self.rows[sampler.clip_index(len(self.rows), self.seed, index)]
        instants = draw_snippets(rng, self.segments, self.stream.last_instant(row))
        return {
            "input": self.stream.request(row, instants, self.stream.training_crop(rng)),
            "label": row["label"],
        }


class PeriodDataset(CropDataset):
    """Training samples of a direction: one instant of a stream and a period of the other.

    The instant is the centre of the period. All inputs of a sample show the same crop.
    """

    def __init__(
        self,
        rows: list[dict],
        single: Stream,
        sequence: Stream,
        seed: int,
        delta: int,
        num_instants: int,
        single_rankings: CachedRankings | None = None,
        sequence_rankings: CachedRankings | None = None,
    ):
        """`single` gives one instant, `sequence` a period of `num_instants`, `delta` frames apart.

        `rows` are the index rows of the training clips.
        """
        self.rows, self.single, self.sequence = rows, single, sequence
        self.seed, self.delta, self.num_instants = seed, delta, num_instants
        self.single_rankings, self.sequence_rankings = single_rankings, sequence_rankings
        self.streams = {"one": single, "many": sequence}

    def __getitem__(self, index: int) -> dict:
        """Return "one" and "many", the "label" and, with rankings, their ranked classes.

        These are "groups_one" (depth,) and "groups_many" (num_instants, depth).
        """
        rng = sampler.sample_rng(self.seed, index)
        row = self.rows[sampler.clip_index(len(self.rows), self.seed, index)]
        last = min(self.single.last_instant(row), self.sequence.last_instant(row))
        centre, instants = draw_period(rng, self.delta, self.num_instants, last)
        # Both streams use the crop sizes of the motion stream.
        motion = self.single if self.single.name == "motion" else self.sequence
        crop = motion.training_crop(rng)
        item = {
            "one": self.single.request(row, centre, crop),
            "many": self.sequence.request(row, instants, crop),
            "label": row["label"],
        }
        if self.single_rankings and self.sequence_rankings:
            item["groups_one"] = self.single_rankings(row, [centre])[0]
            item["groups_many"] = self.sequence_rankings(row, instants)
        return item


class FeatureDataset(BatchedDataset):
    """Training samples of the fusion alone: features of networks that do not learn.

    The features are computed once, on the centre crop.
    """

    def __init__(
        self,
        rows: list[dict],
        features: list[tuple[torch.Tensor, torch.Tensor]],
        seed: int,
        delta: int,
        num_instants: int,
    ):
        """`features` are two (instants, hidden) per clip: of the single and the sequence stream.

        They are of every instant. `delta` and `num_instants` are as in a PeriodDataset, which
        draws the same instants for the same index.
        """
        self.rows, self.features, self.seed = rows, features, seed
        self.delta, self.num_instants = delta, num_instants

    def __getitem__(self, index: int) -> dict:
        """Return "one" (hidden,), "many" (num_instants, hidden) and the "label"."""
        clip = sampler.clip_index(len(self.rows), self.seed, index)
        one, many = self.features[clip]
        rng = sampler.sample_rng(self.seed, index)
        centre, instants = draw_period(rng, self.delta, self.num_instants, len(one) - 1)
        return {"one": one[centre], "many": many[instants], "label": self.rows[clip]["label"]}


class ClipDataset(BatchedDataset):
    """Clips for trained networks: stored pixels at some instants, read once for all crops.

    A batch is a single clip, because clips differ in size and number of instants.
    """

    def __init__(
        self, streams: dict[str, Stream], requests: list[tuple[dict, np.ndarray]], crops: list[Crop]
    ):
        """`requests` are the index row and the instants (T,) of each item."""
        self.streams, self.requests, self.crops = streams, requests, crops

    def __getitem__(self, index: int) -> dict[str, list[CropRequest]]:
        """Return, by stream, a request per crop."""
        row, instants = self.requests[index]
        return {
            name: [stream.request(row, instants, crop) for crop in self.crops]
            for name, stream in self.streams.items()
        }

    def collate(
        self, items: list[dict[str, list[CropRequest]]], device_type: str
    ) -> dict[str, ClipPixels]:
        """Read the only item of a batch, by stream.

        Raises PipelineError when stored pixels cannot be decoded.
        """
        (item,) = items
        return {name: _read_clip(requests) for name, requests in item.items()}


def _read_clip(requests: list[CropRequest]) -> ClipPixels:
    """Read the smallest rectangle that holds all crops of a clip at the same instants."""
    top = min(request.rows.start for request in requests)
    bottom = max(request.rows.stop for request in requests)
    left = min(request.columns.start for request in requests)
    right = max(request.columns.stop for request in requests)
    rectangle = requests[0]._replace(rows=slice(top, bottom), columns=slice(left, right))
    pixels = memory.batch(rectangle.shape)
    rectangle.read_into(pixels.numpy())
    # The crops within that rectangle.
    crops = [
        (
            (request.rows.start - top, request.rows.stop - top),
            (request.columns.start - left, request.columns.stop - left),
            request.mirrored,
        )
        for request in requests
    ]
    return ClipPixels(pixels, torch.from_numpy(rectangle.index), crops)
