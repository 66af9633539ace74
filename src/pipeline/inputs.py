"""From the store to what a network eats: crops of frames and of flow stacks, and the draws of training."""

import math
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import NamedTuple

import cv2
import numpy as np
import torch
from torch.utils.data import Dataset, default_collate

from pipeline import codings, levels, sampling
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
    """(..., C, H, W) of 0 .. 255, as bytes or any numbers, to float32 of about zero mean and unit scale."""
    in_bytes_on_cpu = pixels.device.type == "cpu" and pixels.dtype == torch.uint8
    return _looked_up(pixels, stream) if in_bytes_on_cpu else _scaled(pixels, stream)


def _looked_up(pixels: torch.Tensor, stream: str) -> torch.Tensor:
    """`_scaled` on a CPU, where memory is what takes the time: one way through it, by a table, in place of four.

    numpy asks for large pages, which torch does not: that halves it again.
    """
    shades = torch.arange(256, dtype=torch.uint8).repeat(len(MEAN[stream]), 1)[:, :, None]  # (3 or 1, 256, 1)
    table = _scaled(shades, stream)[:, :, 0].contiguous().numpy()
    result = np.empty(pixels.shape, np.float32)
    planes = (-1, len(table), pixels.shape[-2] * pixels.shape[-1])  # of flow each is an image by itself
    for image, target in zip(pixels.contiguous().numpy().reshape(planes), result.reshape(planes), strict=True):
        for plane, values, out in zip(image, table, target, strict=True):
            cv2.LUT(plane[None], values[None], out[None])
    return torch.from_numpy(result)


def _scaled(pixels: torch.Tensor, stream: str) -> torch.Tensor:
    mean = torch.tensor(MEAN[stream], device=pixels.device)[:, None, None]  # (3 or 1, 1, 1)
    std = torch.tensor(STD[stream], device=pixels.device)[:, None, None]
    return pixels.float().div_(255).sub_(mean).div_(std)


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

    def patches(self, row: dict, instants, crop: sampling.Crop) -> "Patches":
        """The crop of a clip at `instants` (T,), or one, as it is stored: each frame or field once, whoever shares it."""
        data, instants = self.shards(row), np.atleast_1d(instants)
        places = instants[:, None]  # (T, 1)
        if self.name == "motion":
            places = np.stack([sampling.stack_fields(int(t), self.stack, len(data)) for t in instants])  # (T, L)
        unique, order = np.unique(places, return_inverse=True)
        rows, columns = crop.pixels(*(data.shape[2:0:-1] if self.name == "appearance" else data.shape[:1:-1]))
        height, width = rows.stop - rows.start, columns.stop - columns.start
        cut, shape = ((rows, columns), (height, width, 3)) if self.name == "appearance" else (
            (slice(None), rows, columns), (2, height, width))
        planes = np.empty((len(unique), *shape), np.uint8)
        for plane, item in zip(planes, codings.items(data, unique), strict=True):
            plane[:] = item[cut]
        return Patches(planes, order.reshape(places.shape), crop.mirrored)

    def planes(self, patches: "Patches") -> tuple[np.ndarray, np.ndarray]:
        """What the network gets of `patches`, each frame or field once, and where it stands.

        Returns (n, 3 or 2, size, size) uint8, resized and mirrored, and of each instant the places (T, 1 or L) in that.
        """
        size = (self.size, self.size)
        result = np.empty((len(patches.planes), 3 if self.name == "appearance" else 2, *size), np.uint8)
        for target, patch in zip(result, patches.planes, strict=True):
            if self.name == "appearance":
                target[:] = cv2.resize(patch, size, interpolation=cv2.INTER_LINEAR).transpose(2, 0, 1)
            else:
                for plane, channel in zip(patch, target, strict=True):
                    cv2.resize(plane, size, dst=channel, interpolation=cv2.INTER_LINEAR)
        return mirror(result, self.name) if patches.mirrored else result, patches.places

    def __call__(self, row: dict, instants, crop: sampling.Crop) -> np.ndarray:
        """(T, channels, size, size) uint8 at `instants` (T,), or without the first axis at one instant."""
        stacks = stacked(*self.planes(self.patches(row, instants, crop)))
        return stacks if np.ndim(instants) else stacks[0]

    def in_crops(self, row: dict, instants: np.ndarray, crops: list[sampling.Crop]) -> Iterator[np.ndarray]:
        """What `__call__` gives at `instants` (T,) in each of `crops`; frames or fields are decoded once for all of them."""
        whole = self.patches(row, instants, sampling.Crop(0, 0, 1, 1))
        height, width = whole.planes.shape[1:3] if self.name == "appearance" else whole.planes.shape[2:]
        for crop in crops:
            place = crop.pixels(width, height)
            cut = whole.planes[:, *place] if self.name == "appearance" else whole.planes[..., *place]
            yield stacked(*self.planes(Patches(cut, whole.places, crop.mirrored)))


def stacked(planes, places):
    """Frames or fields (n, P, H, W) at `places` (T, L) as inputs (T, L P, H, W), RGB or x1 y1 x2 y2 .., of any library."""
    return planes[places].reshape(len(places), -1, *planes.shape[2:])  # (T, L, P, H, W) -> (T, L P, H, W)


def mirror(planes, stream: str):
    """Frames (.., 3, H, W) or fields (.., 2, H, W) of the mirrored clip, where x is negated too: see `levels.mirror`."""
    if isinstance(planes, torch.Tensor):
        flipped = planes.flip(-1)
        if stream == "motion":
            flipped[..., 0, :, :] = 255 - flipped[..., 0, :, :]
        return flipped
    if stream == "motion":
        return levels.mirror(planes.reshape(-1, *planes.shape[-2:])).reshape(planes.shape)
    return planes[..., ::-1].copy()


class Patches(NamedTuple):
    """Cropped frames (n, h, w, 3) or fields (n, 2, h, w), `planes`, uint8; `places` (T, 1 or L) of each instant in them."""

    planes: np.ndarray
    places: np.ndarray
    mirrored: bool


class Packed(NamedTuple):
    """The patches of a batch: the bytes of all, of each sample the shape of its planes and whether they are mirrored.

    `places` is (B, T, 1 or L). One flat tensor travels to the GPU in one piece, whatever sizes the crops have.
    """

    pixels: torch.Tensor
    places: torch.Tensor
    shapes: list[tuple[int, ...]]
    mirrored: list[bool]


def pack(patches: list[Patches]) -> Packed:
    return Packed(torch.from_numpy(np.concatenate([part.planes.reshape(-1) for part in patches])),
                  torch.from_numpy(np.stack([part.places for part in patches])),
                  [part.planes.shape for part in patches], [part.mirrored for part in patches])


def unpacked(packed: Packed, stream: str, size: int) -> torch.Tensor:
    """(B, T, channels, size, size) uint8 on the device of `packed`: the bytes that `Stream.__call__` gives."""
    result, at = [], 0
    for shape, mirrored, places in zip(packed.shapes, packed.mirrored, packed.places, strict=True):
        count = math.prod(shape)
        planes = packed.pixels[at:at + count].view(shape)
        planes = resize(planes.permute(0, 3, 1, 2) if stream == "appearance" else planes, size)  # (n, P, size, size)
        result.append(stacked(mirror(planes, stream) if mirrored else planes, places))
        at += count
    return torch.stack(result)


def resize(planes: torch.Tensor, size: int) -> torch.Tensor:
    """(.., h, w) uint8 to (.., size, size), bilinearly, with the bits of cv2.resize: its fixed-point arithmetic.

    Weights of 11 bits; rows keep 7 of the 11 bits that columns added, and the sum is rounded once
    (opencv/modules/imgproc/src/resize.cpp, VResizeLinear for uchar).
    """
    top, bottom, upper, lower = _neighbours(planes.shape[-2], size, planes.device, clamped=False)
    left, right, before, after = _neighbours(planes.shape[-1], size, planes.device, clamped=True)
    rows = planes[..., left].int() * before + planes[..., right].int() * after  # (.., h, size)
    rows = rows >> 4
    above, below = rows[..., top, :] * upper[:, None] >> 16, rows[..., bottom, :] * lower[:, None] >> 16
    return (above + below + 2 >> 2).to(torch.uint8)


@lru_cache(maxsize=1024)
def _neighbours(source: int, size: int, device: torch.device, clamped: bool) -> tuple[torch.Tensor, ...]:
    """Of each of `size` pixels the two of `source` that it lies between and their weights in 1 / 2048, as cv2 rounds.

    Beyond the edge both are the last pixel: `clamped`, as of columns, the first of them has the whole weight.
    """
    position = ((np.arange(size) + 0.5) * (1 / (size / source)) - 0.5).astype(np.float32)
    first = np.floor(position).astype(np.int64)
    weight = position - first.astype(np.float32)
    if clamped:
        weight[(first < 0) | (first >= source - 1)] = 0
    places = [place.clip(0, source - 1) for place in (first, first + 1)]
    weights = [np.rint(part * np.float32(2048)).astype(np.int32) for part in (np.float32(1) - weight, weight)]
    return tuple(torch.from_numpy(part).to(device) for part in (*places, *weights))


class CropDraws(Dataset):
    """Draws of crops, by `item(draw, read)`, where `read` is what is asked of a stream: pixels that are ready, or patches.

    On a CPU a worker finishes each draw. For a GPU it only cuts the patches out; all else is done there in batch.
    """

    streams: dict[str, "Stream"]  # by the name of what is read of them in an item

    def __getitem__(self, draw: int) -> dict:
        return self.item(draw, Stream.__call__)

    def raw(self, draw: int) -> dict:
        return self.item(draw, Stream.patches)

    def pack(self, items: list[dict]) -> dict:
        """A batch of `raw` draws, the patches of each stream as Packed."""
        return {name: pack([item[name] for item in items]) if name in self.streams
                else default_collate([item[name] for item in items]) for name in items[0]}

    def finish(self, batch: dict) -> dict[str, torch.Tensor]:
        """A packed batch, on any device, as the draws' items: (B, C, size, size), of `many` (B, T, C, size, size)."""
        ready = {name: unpacked(batch[name], stream.name, stream.size) for name, stream in self.streams.items()}
        return batch | {name: pixels if name == "many" else pixels[:, 0] for name, pixels in ready.items()}


class StreamDraws(CropDraws):
    """Training draws of one stream: a random instant of a random clip. Item `draw` depends on (seed, draw) alone."""

    def __init__(self, rows: list[dict], stream: Stream, seed: int, groups: "Groups | None" = None):
        self.rows, self.stream, self.seed, self.groups = rows, stream, seed, groups
        self.streams = {"input": stream}

    def item(self, draw: int, read: Callable) -> dict:
        rng = sampling.rng_of(self.seed, draw)
        row = self.rows[sampling.draw_clip(len(self.rows), self.seed, draw)]
        instant = int(rng.integers(self.stream.last(row) + 1))
        item = {"input": read(self.stream, row, instant, self.stream.training_crop(rng)), "label": row["label"]}
        if self.groups:
            item["groups"] = self.groups(row, [instant])[0]
        return item


class PeriodDraws(CropDraws):
    """Training draws of a direction: one instant of a stream, a period of the other, in one crop for all."""

    def __init__(self, rows: list[dict], one: Stream, many: Stream, seed: int, delta: int, units: int,
                 groups_one: "Groups", groups_many: "Groups"):
        self.rows, self.one, self.many, self.seed, self.delta, self.units = rows, one, many, seed, delta, units
        self.groups_one, self.groups_many = groups_one, groups_many
        self.streams = {"one": one, "many": many}

    def item(self, draw: int, read: Callable) -> dict:
        rng = sampling.rng_of(self.seed, draw)
        row = self.rows[sampling.draw_clip(len(self.rows), self.seed, draw)]
        last = min(self.one.last(row), self.many.last(row))
        centre, instants = sampling.draw_period(rng, self.delta, self.units, last)
        motion = self.one if self.one.name == "motion" else self.many
        crop = motion.training_crop(rng)  # the flow's sizes: those that both streams use
        return {"one": read(self.one, row, centre, crop),
                "many": read(self.many, row, instants, crop),
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


