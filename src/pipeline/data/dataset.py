"""What is read in which order: the draws of trainings, and whole clips for networks that have learnt.

Everything about a draw follows from the seed and its number (`sampling`). `loading` makes batches of them.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch.utils.data import Dataset, default_collate

from pipeline.data import memory, sampler
from pipeline.data.batch import ClipPixels
from pipeline.data.crops import Crop
from pipeline.data.groups import CachedRankings
from pipeline.data.instants import draw_period
from pipeline.data.packing import finish_on_device, pack
from pipeline.data.stream import Stream


class CropDataset(Dataset):
    """Draws of crops, by `item(draw, read)`, where `read` is what is asked of a stream: pixels that are ready, or a cut.

    On a CPU a worker finishes each batch. For a GPU it only cuts the patches out; all else is done there in batch.
    """

    streams: dict[str, Stream]  # by the name of what is read of them in an item

    def __getitem__(self, draw: int) -> dict:
        return self.item(draw, Stream.__call__)

    def batch(self, numbers: range) -> dict:
        """The draws `numbers`, the pixels of each stream as Inputs."""
        return self._collated(
            numbers, {name: stream.collate for name, stream in self.streams.items()}
        )

    def packed(self, numbers: range) -> dict:
        """The same for `finish`, the pixels of each stream as Packed."""
        return self._collated(numbers, dict.fromkeys(self.streams, pack))

    def finish(self, batch: dict) -> dict:
        """A packed batch, on any device, as `batch` has it."""
        return batch | {
            name: finish_on_device(batch[name], stream.name, stream.size)
            for name, stream in self.streams.items()
        }

    def _collated(self, numbers: range, pixels: dict[str, Callable]) -> dict:
        items = [self.item(number, Stream.request) for number in numbers]
        return {
            name: pixels.get(name, default_collate)([item[name] for item in items])
            for name in items[0]
        }


class StreamDataset(CropDataset):
    """Training draws of one stream: a random instant of a random clip. Item `draw` depends on (seed, draw) alone."""

    def __init__(
        self, rows: list[dict], stream: Stream, seed: int, groups: "CachedRankings | None" = None
    ):
        self.rows, self.stream, self.seed, self.groups = rows, stream, seed, groups
        self.streams = {"input": stream}

    def item(self, draw: int, read: Callable) -> dict:
        rng = sampler.sample_rng(self.seed, draw)
        row = self.rows[sampler.clip_index(len(self.rows), self.seed, draw)]
        instant = int(rng.integers(self.stream.last_instant(row) + 1))
        item = {
            "input": read(self.stream, row, instant, self.stream.training_crop(rng)),
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

    def item(self, draw: int, read: Callable) -> dict:
        rng = sampler.sample_rng(self.seed, draw)
        row = self.rows[sampler.clip_index(len(self.rows), self.seed, draw)]
        last = min(self.one.last_instant(row), self.many.last_instant(row))
        centre, instants = draw_period(rng, self.delta, self.units, last)
        motion = self.one if self.one.name == "motion" else self.many
        crop = motion.training_crop(rng)  # the flow's sizes: those that both streams use
        return {
            "one": read(self.one, row, centre, crop),
            "many": read(self.many, row, instants, crop),
            "label": row["label"],
            "groups_one": self.groups_one(row, [centre])[0],
            "groups_many": self.groups_many(row, instants),
        }


class ClipDataset(Dataset):
    """Clips for networks that have learnt: number n is what the crops of a clip at some instants need, read once for all."""

    def __init__(
        self, streams: dict[str, Stream], asked: list[tuple[dict, np.ndarray]], crops: list[Crop]
    ):
        """`asked`: of each number the clip's row and the instants (T,)."""
        self.streams, self.asked, self.crops = streams, asked, crops

    def batch(self, numbers: range) -> dict[str, ClipPixels]:
        """Of the one number of `numbers`, by stream."""
        (number,) = numbers
        return {
            name: self._patches(stream, *self.asked[number])
            for name, stream in self.streams.items()
        }

    pack = batch

    def finish(self, batch: dict[str, ClipPixels]) -> dict[str, ClipPixels]:
        return batch

    def _patches(self, stream: Stream, row: dict, instants: np.ndarray) -> ClipPixels:
        cuts = [stream.request(row, instants, crop) for crop in self.crops]
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


class FeatureDataset(Dataset):
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

    def __getitem__(self, draw: int) -> dict:
        place = sampler.clip_index(len(self.rows), self.seed, draw)
        one, many = self.features[place]
        centre, instants = draw_period(
            sampler.sample_rng(self.seed, draw), self.delta, self.units, len(one) - 1
        )
        return {"one": one[centre], "many": many[instants], "label": self.rows[place]["label"]}
