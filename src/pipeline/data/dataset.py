"""Datasets of training samples, and of whole clips for trained networks.

Everything about a training sample follows from the seed and its index (`sampler`).
"""

import numpy as np
import torch
from torch.utils.data import default_collate

from pipeline.data import memory, sampler
from pipeline.data.batch import ClipPixels, CropRequest, RawBatch
from pipeline.data.batched import BatchedDataset
from pipeline.data.crops import Crop
from pipeline.data.groups import CachedRankings
from pipeline.data.instants import draw_period
from pipeline.data.packing import finish_on_device, pack
from pipeline.data.stream import Stream


class CropDataset(BatchedDataset):
    """Samples with crops of streams: `__getitem__` returns CropRequests, `collate` reads them.

    For a CPU, `collate` makes each InputBatch. For a GPU it makes a RawBatch, which `finish` turns
    into an InputBatch there.
    """

    rows: list[dict]
    # By the key of a sample that holds the stream's request.
    streams: dict[str, Stream]

    def __len__(self) -> int:
        """Samples of an epoch; indices beyond it belong to the epochs that follow."""
        return len(self.rows)

    def collate(self, items: list[dict], device_type: str) -> dict:
        return {
            name: self._collate_values(name, [item[name] for item in items], device_type)
            for name in items[0]
        }

    def finish(self, batch: dict) -> dict:
        return batch | {
            name: finish_on_device(batch[name], stream.name, stream.size)
            for name, stream in self.streams.items()
            if isinstance(batch[name], RawBatch)
        }

    def read(self, index: int) -> dict:
        """One sample with its pixels, (T, channels, size, size) or (channels, size, size) uint8."""
        return {
            name: self.streams[name].collate([value]).stacked[0].numpy()
            if name in self.streams
            else value
            for name, value in self[index].items()
        }

    def _collate_values(self, name: str, values: list, device_type: str):
        if name not in self.streams:
            return default_collate(values)
        return pack(values) if device_type == "cuda" else self.streams[name].collate(values)


class StreamDataset(CropDataset):
    """Training draws of one stream: a random instant of a random clip."""

    def __init__(
        self, rows: list[dict], stream: Stream, seed: int, groups: "CachedRankings | None" = None
    ):
        self.rows, self.stream, self.seed, self.groups = rows, stream, seed, groups
        self.streams = {"input": stream}

    def __getitem__(self, index: int) -> dict:
        rng = sampler.sample_rng(self.seed, index)
        row = self.rows[sampler.clip_index(len(self.rows), self.seed, index)]
        instant = int(rng.integers(self.stream.last_instant(row) + 1))
        item = {
            "input": self.stream.request(row, instant, self.stream.training_crop(rng)),
            "label": row["label"],
        }
        if self.groups:
            item["groups"] = self.groups(row, [instant])[0]
        return item


class PeriodDataset(CropDataset):
    """Training draws of a direction: one instant of a stream, a period of the other, in one crop for all."""

    def __init__(
        self,
        rows: list[dict],
        one: Stream,
        many: Stream,
        seed: int,
        delta: int,
        units: int,
        groups_one: "CachedRankings",
        groups_many: "CachedRankings",
    ):
        self.rows, self.one, self.many, self.seed, self.delta, self.units = (
            rows,
            one,
            many,
            seed,
            delta,
            units,
        )
        self.groups_one, self.groups_many = groups_one, groups_many
        self.streams = {"one": one, "many": many}

    def __getitem__(self, index: int) -> dict:
        rng = sampler.sample_rng(self.seed, index)
        row = self.rows[sampler.clip_index(len(self.rows), self.seed, index)]
        last = min(self.one.last_instant(row), self.many.last_instant(row))
        centre, instants = draw_period(rng, self.delta, self.units, last)
        motion = self.one if self.one.name == "motion" else self.many
        crop = motion.training_crop(rng)  # the flow's sizes: those that both streams use
        return {
            "one": self.one.request(row, centre, crop),
            "many": self.many.request(row, instants, crop),
            "label": row["label"],
            "groups_one": self.groups_one(row, [centre])[0],
            "groups_many": self.groups_many(row, instants),
        }


class ClipDataset(BatchedDataset):
    """Clips for networks that have learnt: number n is what the crops of a clip at some instants need, read once for all."""

    def __init__(
        self, streams: dict[str, Stream], requests: list[tuple[dict, np.ndarray]], crops: list[Crop]
    ):
        """`requests`: of each number the clip's row and the instants (T,)."""
        self.streams, self.requests, self.crops = streams, requests, crops

    def __len__(self) -> int:
        return len(self.requests)

    def __getitem__(self, index: int) -> dict[str, list[CropRequest]]:
        """The requests of every crop, by stream."""
        row, instants = self.requests[index]
        return {
            name: [stream.request(row, instants, crop) for crop in self.crops]
            for name, stream in self.streams.items()
        }

    def collate(
        self, items: list[dict[str, list[CropRequest]]], device_type: str
    ) -> dict[str, ClipPixels]:
        """Read the single item of a batch."""
        (item,) = items
        return {name: self._read(cuts) for name, cuts in item.items()}

    @staticmethod
    def _read(cuts: list[CropRequest]) -> ClipPixels:
        """Read the smallest rectangle that holds all crops of a clip."""
        top, left = (min(getattr(cut, axis).start for cut in cuts) for axis in ("rows", "columns"))
        bottom, right = (
            max(getattr(cut, axis).stop for cut in cuts) for axis in ("rows", "columns")
        )
        whole = cuts[0]._replace(rows=slice(top, bottom), columns=slice(left, right))
        planes = memory.batch(whole.shape)
        whole.read_into(planes.numpy())
        return ClipPixels(
            planes,
            torch.from_numpy(whole.index),
            [
                (
                    (cut.rows.start - top, cut.rows.stop - top),
                    (cut.columns.start - left, cut.columns.stop - left),
                    cut.mirrored,
                )
                for cut in cuts
            ],
        )


class FeatureDataset(BatchedDataset):
    """Training draws of a direction whose streams do not learn: their features, computed once, on the centre crop."""

    def __init__(
        self,
        rows: list[dict],
        features: list[tuple[torch.Tensor, torch.Tensor]],
        seed: int,
        delta: int,
        units: int,
    ):
        """`features`: of each clip, at every instant, of the one and of the many stream, (instants, hidden) each."""
        self.rows, self.features, self.seed, self.delta, self.units = (
            rows,
            features,
            seed,
            delta,
            units,
        )

    def __len__(self) -> int:
        """Samples of an epoch."""
        return len(self.rows)

    def __getitem__(self, index: int) -> dict:
        place = sampler.clip_index(len(self.rows), self.seed, index)
        one, many = self.features[place]
        centre, instants = draw_period(
            sampler.sample_rng(self.seed, index), self.delta, self.units, len(one) - 1
        )
        return {"one": one[centre], "many": many[instants], "label": self.rows[place]["label"]}
