"""From the store to what a network eats: crops of frames and of flow stacks, on a CPU or finished by a GPU."""

import math
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import NamedTuple

import cv2
import h5py
import numpy as np
import torch

from pipeline import codings, levels, memory, sampling
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


class Inputs(NamedTuple):
    """A batch of inputs: frames (n, 3, H, W) or fields (n, 2, H, W), `planes`, each once, and which of them each has.

    `places` is (.., 1) of frames and (.., L) of stacks. Neighbouring stacks share most of their fields: a period of five has
    thirty in place of fifty to read, resize and send.
    """

    planes: torch.Tensor
    places: torch.Tensor

    def at(self, which) -> "Inputs":
        """Some of the batch, by their places along its first axis."""
        return self._replace(places=self.places[which])

    @property
    def stacked(self) -> torch.Tensor:
        """(.., channels, H, W): RGB, or x1 y1 x2 y2 .., of the dtype of `planes`."""
        found = self.planes[self.places]  # (.., L, P, H, W)
        return found.flatten(-4, -3)  # (.., L P, H, W)


def normalise(pixels: torch.Tensor | Inputs, stream: str) -> torch.Tensor:
    """(.., C, H, W) of 0 .. 255, any numbers or a batch of Inputs, to float32 of about zero mean and unit scale."""
    if isinstance(pixels, torch.Tensor):
        return _scaled(pixels, stream)
    return _looked_up(pixels, stream) if pixels.planes.device.type == "cpu" else _scaled(pixels.stacked, stream)


def _looked_up(pixels: Inputs, stream: str) -> torch.Tensor:
    """`_scaled` on a CPU, where memory is what takes the time: written once, by a table, into pages that are there."""
    shades = torch.arange(256, dtype=torch.uint8).repeat(len(MEAN[stream]), 1)[:, :, None]  # (3 or 1, 256, 1)
    tables = _scaled(shades, stream)[:, :, 0].contiguous().numpy()
    planes, places = pixels.planes.contiguous().numpy(), pixels.places.numpy()
    each = planes.shape[1:]  # (P, H, W)
    result = memory.empty((*places.shape, *each), np.float32)  # (.., L, P, H, W)
    for place, target in zip(places.flat, result.reshape(-1, *each), strict=True):
        for channel, (plane, out) in enumerate(zip(planes[place], target, strict=True)):
            cv2.LUT(plane, tables[channel % len(tables)][None], dst=out)
    return torch.from_numpy(result).flatten(-4, -3)  # (.., L P, H, W)


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
        self.each = 3 if name == "appearance" else 2  # planes of a frame or field
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

    def cut(self, row: dict, instants, crop: sampling.Crop) -> "Cut":
        """The crop of a clip at `instants` (T,), or at one: what is to be read, each frame or field once."""
        data, instants = self.shards(row), np.asarray(instants)
        places = instants[..., None] if self.name == "appearance" else (
            sampling.stack_fields(instants, self.stack, len(data)))  # (T, 1 or L) or (1 or L,)
        unique, order = np.unique(places, return_inverse=True)
        rows, columns = crop.pixels(*(data.shape[2:0:-1] if self.name == "appearance" else data.shape[:1:-1]))
        return Cut(data, unique, order.reshape(places.shape), rows, columns, crop.mirrored)

    def resized(self, patches: Iterable[np.ndarray], mirrored: bool, out: np.ndarray) -> None:
        """Frames (h, w, 3) or fields (2, h, w) as the network gets them, one by one into `out` (n, 3 or 2, size, size)."""
        size = (self.size, self.size)
        for target, patch in zip(out, patches, strict=True):
            if self.name == "appearance":
                picture = cv2.resize(patch, size, interpolation=cv2.INTER_LINEAR)
                cv2.split(cv2.flip(picture, 1) if mirrored else picture, list(target))
            elif mirrored:
                for plane, channel in zip(patch, target, strict=True):
                    cv2.flip(cv2.resize(plane, size, interpolation=cv2.INTER_LINEAR), 1, dst=channel)
                target[0] = levels.negated(target[0])
            else:
                for plane, channel in zip(patch, target, strict=True):
                    cv2.resize(plane, size, dst=channel, interpolation=cv2.INTER_LINEAR)

    def __call__(self, row: dict, instants, crop: sampling.Crop) -> np.ndarray:
        """(T, channels, size, size) uint8 at `instants` (T,), or without the first axis at one instant."""
        return self.joined([self.cut(row, instants, crop)]).stacked[0].numpy()

    def joined(self, cuts: list["Cut"]) -> Inputs:
        """What the network gets of the `cuts` of a batch, all of as many instants."""
        planes = memory.batch((sum(len(cut.unique) for cut in cuts), self.each, self.size, self.size))
        at = 0
        for cut in cuts:
            self.resized(cut.patches(), cut.mirrored, planes[at:at + len(cut.unique)].numpy())
            at += len(cut.unique)
        return Inputs(planes, _places(cuts, range(len(cuts))))

    def in_crops(self, patches: "Patches") -> Iterator[Inputs]:
        """What the network gets of a clip in each of its crops, one after the other, on the device of `patches`."""
        for rows, columns, mirrored in patches.crops:
            place = slice(*rows), slice(*columns)
            cut = patches.planes[:, *place] if self.name == "appearance" else patches.planes[..., *place]
            if cut.device.type == "cpu":
                planes = torch.empty((len(cut), self.each, self.size, self.size), dtype=torch.uint8)
                self.resized(cut.numpy(), mirrored, planes.numpy())
            else:
                planes = resize(cut.permute(0, 3, 1, 2) if self.name == "appearance" else cut, self.size)
                planes = mirror(planes, self.name) if mirrored else planes
            yield Inputs(planes, patches.places)


class Cut(NamedTuple):
    """A rectangle of frames or fields of a clip that is still to be read: `unique` (n,) of them, ascending, each once.

    `places` (T, 1 or L), or (1 or L,) of one instant, says which of them each instant has.
    """

    data: h5py.Dataset
    unique: np.ndarray
    places: np.ndarray
    rows: slice
    columns: slice
    mirrored: bool

    @property
    def shape(self) -> tuple[int, ...]:
        """(n, h, w, 3) of frames, (n, 2, h, w) of fields."""
        size = (self.rows.stop - self.rows.start, self.columns.stop - self.columns.start)
        return (len(self.unique), *size, 3) if self.data.shape[-1] == 3 else (len(self.unique), 2, *size)

    def patches(self) -> Iterator[np.ndarray]:
        """Frames (h, w, 3) or fields (2, h, w) as they are stored, each valid until the next."""
        return codings.items(self.data, self.unique, self.rows, self.columns)

    def read(self, out: np.ndarray) -> None:
        """The patches into `out`, of `shape`."""
        for target, patch in zip(out, self.patches(), strict=True):
            target[:] = patch


class Patches(NamedTuple):
    """A clip at some instants, as it is stored: frames (n, h, w, 3) or fields (n, 2, h, w), no larger than its crops need.

    `places` (T, 1 or L) are the instants' own of them; of each crop `crops` says from where to where its rows and its
    columns go, and whether it is mirrored.
    """

    planes: torch.Tensor
    places: torch.Tensor
    crops: list[tuple[tuple[int, int], tuple[int, int], bool]]


def _places(cuts: list[Cut], order: Iterable[int]) -> torch.Tensor:
    """Places (B, T, 1 or L) among the planes of all `cuts`, which stand one after the other in the `order` given."""
    places, at = [cut.places for cut in cuts], 0
    for place in order:
        places[place], at = places[place] + at, at + len(cuts[place].unique)
    return torch.from_numpy(np.stack(places))


class Packed(NamedTuple):
    """The cuts of a batch for a GPU to finish: the bytes of all, those of one size together; `places` are those of Inputs.

    One flat tensor travels to the GPU in one piece, whatever sizes the crops have, and a few kernels finish it. `shapes` are
    (n, h, w, 3) or (n, 2, h, w) of the patches that follow one another, `mirrored` (n of all,) says which are mirrored.
    """

    pixels: torch.Tensor
    places: torch.Tensor
    shapes: list[tuple[int, ...]]
    mirrored: torch.Tensor


def packed(cuts: list[Cut]) -> Packed:
    order = sorted(range(len(cuts)), key=lambda place: cuts[place].shape[1:])
    pixels, at = memory.batch((sum(math.prod(cut.shape) for cut in cuts),)), 0
    for cut in (cuts[place] for place in order):
        size = math.prod(cut.shape)
        cut.read(pixels[at:at + size].numpy().reshape(cut.shape))
        at += size
    shapes: dict[tuple[int, ...], int] = {}  # in the order of the pixels
    for place in order:
        count, *each = cuts[place].shape
        shapes[tuple(each)] = shapes.get(tuple(each), 0) + count
    mirrored = [cuts[place].mirrored for place in order for _ in cuts[place].unique]
    return Packed(pixels, _places(cuts, order), [(count, *each) for each, count in shapes.items()], torch.tensor(mirrored))


def unpacked(packed: Packed, stream: str, size: int) -> Inputs:
    """The inputs that `Stream.joined` gives, to the byte, on the device of `packed`; their planes in another order."""
    planes, at = [], 0
    for shape in packed.shapes:
        patches = packed.pixels[at:at + math.prod(shape)].view(shape)
        planes.append(resize(patches.permute(0, 3, 1, 2) if stream == "appearance" else patches, size))  # (n, P, size, size)
        at += math.prod(shape)
    ready = torch.cat(planes)
    return Inputs(torch.where(packed.mirrored[:, None, None, None], mirror(ready, stream), ready), packed.places)


def mirror(planes: torch.Tensor, stream: str) -> torch.Tensor:
    """Frames (.., 3, H, W) or fields (.., 2, H, W) of the mirrored clip, where x is negated, too."""
    flipped = planes.flip(-1)
    if stream == "motion":
        flipped[..., 0, :, :] = levels.negated(flipped[..., 0, :, :])
    return flipped


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
