"""From the store to what a network eats: crops of frames and of flow stacks, and the draws of training."""

import cv2
import numpy as np
import torch
from torch.utils.data import Dataset

from pipeline import levels, sampling
from pipeline.store import Shards

STREAMS = ("appearance", "motion")
# An appearance-to-motion net fuses one frame with five stacks, a motion-to-appearance net one stack with five frames.
DIRECTIONS = {"appearance-to-motion": ("appearance", "motion"), "motion-to-appearance": ("motion", "appearance")}
KINDS = {"appearance": "frames", "motion": "flow"}  # the store that a stream reads

# ImageNet statistics for RGB (torchvision's weights); flow is 128-centred and has the same scale, 1 / (0.226 * 255), as
# the RGB weights that its first layer starts from.
MEAN = {"appearance": (0.485, 0.456, 0.406), "motion": (levels.ZERO / 255,)}
STD = {"appearance": (0.229, 0.224, 0.225), "motion": (0.226,)}


def channels(stream: str, stack: int) -> int:
    """Input channels of a stream's networks: 3, or 2 for each flow field of a stack."""
    return 3 if stream == "appearance" else 2 * stack


def normalise(pixels: torch.Tensor, stream: str) -> torch.Tensor:
    """(..., C, H, W) uint8 to float32 of about zero mean and unit scale."""
    mean = torch.tensor(MEAN[stream], device=pixels.device)[:, None, None]  # (3 or 1, 1, 1)
    std = torch.tensor(STD[stream], device=pixels.device)[:, None, None]
    return (pixels.float() / 255 - mean) / std


class Stream:
    """One stream of a set: pixels of any clip (a row of the index) at any instant, in any crop."""

    def __init__(self, name: str, folder: str, crops: dict, stack: int, rows: list[dict]):
        """`folder`: the set's shards, frames or flow; `crops`, `stack`: the settings; `rows`: the clips to be read.

        Raises PipelineError when their shards were made in different ways.
        """
        self.name, self.stack = name, stack
        self.size, self.frame = crops["size"], tuple(crops["frame"])
        self.sizes, self.test, self.flip = crops[name], crops["test"], crops["flip"]
        self.shards = Shards(folder, KINDS[name])
        self.shards.require_alike(rows)

    def last(self, row: dict) -> int:
        """The last instant of a clip: of a frame, or of a stack's first field."""
        if self.name == "appearance":
            return row["frames"] - 1
        return sampling.stack_starts(row["frames"] - 1, self.stack) - 1

    def training_crop(self, rng: np.random.Generator) -> sampling.Crop:
        return sampling.training_crop(rng, self.frame, self.sizes, self.flip)

    def centre_crop(self) -> sampling.Crop:
        return sampling.centre_crop(self.frame, self.test)

    def __call__(self, row: dict, instant: int, crop: sampling.Crop) -> np.ndarray:
        """(channels, size, size) uint8 at `instant`."""
        data = self.shards(row)
        if self.name == "appearance":
            picture = data[instant]  # (H, W, 3)
        else:
            fields = sampling.stack_fields(instant, self.stack, data.shape[0])
            planes = data[fields[0]:fields[-1] + 1][fields - fields[0]]  # (L, 2, H, W)
            picture = planes.reshape(-1, *planes.shape[2:]).transpose(1, 2, 0)  # (H, W, 2L): x1 y1 x2 y2 ..
        rows, columns = crop.pixels(picture.shape[1], picture.shape[0])
        patch = np.ascontiguousarray(picture[rows, columns])
        resized = cv2.resize(patch, (self.size, self.size), interpolation=cv2.INTER_LINEAR).transpose(2, 0, 1)
        if not crop.mirrored:
            return np.ascontiguousarray(resized)
        return levels.mirror(resized) if self.name == "motion" else resized[..., ::-1].copy()


class StreamDraws(Dataset):
    """Training draws of one stream: a random instant of a random clip. Item `draw` depends on (seed, draw) alone."""

    def __init__(self, rows: list[dict], stream: Stream, seed: int, groups: "Groups | None" = None):
        self.rows, self.stream, self.seed, self.groups = rows, stream, seed, groups

    def __getitem__(self, draw: int) -> dict:
        rng = sampling.rng_of(self.seed, draw)
        row = self.rows[sampling.draw_clip(len(self.rows), self.seed, draw)]
        instant = int(rng.integers(self.stream.last(row) + 1))
        item = {"input": self.stream(row, instant, self.stream.training_crop(rng)), "label": row["label"]}
        if self.groups:
            item["groups"] = self.groups(row, [instant])[0]
        return item


class PeriodDraws(Dataset):
    """Training draws of a direction: one instant of a stream, a period of the other, in one crop for all."""

    def __init__(self, rows: list[dict], one: Stream, many: Stream, seed: int, delta: int, units: int,
                 groups_one: "Groups", groups_many: "Groups"):
        self.rows, self.one, self.many, self.seed, self.delta, self.units = rows, one, many, seed, delta, units
        self.groups_one, self.groups_many = groups_one, groups_many

    def __getitem__(self, draw: int) -> dict:
        rng = sampling.rng_of(self.seed, draw)
        row = self.rows[sampling.draw_clip(len(self.rows), self.seed, draw)]
        last = min(self.one.last(row), self.many.last(row))
        centre, instants = sampling.draw_period(rng, self.delta, self.units, last)
        motion = self.one if self.one.name == "motion" else self.many
        crop = motion.training_crop(rng)  # the flow's sizes: those that both streams use
        return {"one": self.one(row, centre, crop),
                "many": np.stack([self.many(row, int(t), crop) for t in instants]),
                "label": row["label"],
                "groups_one": self.groups_one(row, [centre])[0],
                "groups_many": self.groups_many(row, instants)}


class FeatureDraws(Dataset):
    """Training draws of a direction whose streams do not learn: their features, computed once, on the centre crop."""

    def __init__(self, rows: list[dict], features: list[tuple[torch.Tensor, torch.Tensor]], seed: int, delta: int,
                 units: int):
        """`features`: of each clip, at every instant, of the one and of the many stream, (instants, hidden) each."""
        self.rows, self.features, self.seed, self.delta, self.units = rows, features, seed, delta, units

    def __getitem__(self, draw: int) -> dict:
        place = sampling.draw_clip(len(self.rows), self.seed, draw)
        one, many = self.features[place]
        centre, instants = sampling.draw_period(sampling.rng_of(self.seed, draw), self.delta, self.units, len(one) - 1)
        return {"one": one[centre], "many": many[instants], "label": self.rows[place]["label"]}


class Groups:
    """The cached rankings of the teacher (groups.h5) at positions of training clips."""

    def __init__(self, path: str, stride: int):
        self.path, self.stride = str(path), stride
        self.shards = Shards(path, "groups")

    def __call__(self, row: dict, instants) -> np.ndarray:
        """(instants, depth) int64 ranked classes; positions between two strides take the one before."""
        ranked = self.shards(row)
        places = np.minimum(np.asarray(instants) // self.stride, ranked.shape[0] - 1)
        return ranked[...][places].astype(np.int64)


