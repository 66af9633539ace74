"""From the store to what a network eats: crops of frames and of flow stacks, on a CPU or finished by a GPU."""

from collections.abc import Iterable, Iterator

import cv2
import numpy as np
import torch

from pipeline.data import crops, memory
from pipeline.data.batch import ClipPixels, CropRequest, InputBatch
from pipeline.data.crops import Crop
from pipeline.data.instants import count_stack_starts, stack_fields
from pipeline.data.packing import batch_index
from pipeline.data.transforms import mirror, resize
from pipeline.flow import levels
from pipeline.storage.reader import Shards
from pipeline.streams import STORES


class Stream:
    """One stream of a set: pixels of any clip (a row of the index) at any instant, in any crop."""

    def __init__(self, name: str, folder: str, crops: dict, stack: int, rows: list[dict]):
        """`folder`: the set's shards, frames or flow; `crops`, `stack`: the settings; `rows`: the clips to be read.

        Raises PipelineError when their shards were made in different ways.
        """
        self.name, self.stack = name, stack
        self.channels_per_item = 3 if name == "appearance" else 2  # planes of a frame or field
        self.size, self.frame_size = crops["size"], tuple(crops["frame"])
        self.training_sizes, self.test_size, self.flip = crops[name], crops["test"], crops["flip"]
        self.shards = Shards(folder, STORES[name])
        self.shards.check_same_settings(rows)

    def last_instant(self, row: dict) -> int:
        """The last instant of a clip: of a frame, or of a stack's first field."""
        if self.name == "appearance":
            return row["frames"] - 1
        return count_stack_starts(row["frames"] - 1, self.stack) - 1

    def training_crop(self, rng: np.random.Generator) -> Crop:
        return crops.training_crop(rng, self.frame_size, self.training_sizes, self.flip)

    def centre_crop(self) -> Crop:
        return crops.centre_crop(self.frame_size, self.test_size)

    def request(self, row: dict, instants, crop: Crop) -> "CropRequest":
        """The crop of a clip at `instants` (T,), or at one: what is to be read, each frame or field once."""
        data, instants = self.shards.dataset(row), np.asarray(instants)
        places = (
            instants[..., None]
            if self.name == "appearance"
            else (stack_fields(instants, self.stack, len(data)))
        )  # (T, 1 or L) or (1 or L,)
        unique, order = np.unique(places, return_inverse=True)
        rows, columns = crop.pixels(
            *(data.shape[2:0:-1] if self.name == "appearance" else data.shape[:1:-1])
        )
        return CropRequest(data, unique, order.reshape(places.shape), rows, columns, crop.mirrored)

    def _resize_into(self, patches: Iterable[np.ndarray], mirrored: bool, out: np.ndarray) -> None:
        """Frames (h, w, 3) or fields (2, h, w) as the network gets them, one by one into `out` (n, 3 or 2, size, size)."""
        size = (self.size, self.size)
        for target, patch in zip(out, patches, strict=True):
            if self.name == "appearance":
                picture = cv2.resize(patch, size, interpolation=cv2.INTER_LINEAR)
                cv2.split(cv2.flip(picture, 1) if mirrored else picture, list(target))
            elif mirrored:
                for plane, channel in zip(patch, target, strict=True):
                    cv2.flip(
                        cv2.resize(plane, size, interpolation=cv2.INTER_LINEAR), 1, dst=channel
                    )
                target[0] = levels.negated(target[0])
            else:
                for plane, channel in zip(patch, target, strict=True):
                    cv2.resize(plane, size, dst=channel, interpolation=cv2.INTER_LINEAR)

    def __call__(self, row: dict, instants, crop: Crop) -> np.ndarray:
        """(T, channels, size, size) uint8 at `instants` (T,), or without the first axis at one instant."""
        return self.collate([self.request(row, instants, crop)]).stacked[0].numpy()

    def collate(self, cuts: list["CropRequest"]) -> InputBatch:
        """What the network gets of the `cuts` of a batch, all of as many instants."""
        planes = memory.batch(
            (sum(len(cut.positions) for cut in cuts), self.channels_per_item, self.size, self.size)
        )
        at = 0
        for cut in cuts:
            self._resize_into(
                cut.patches(), cut.mirrored, planes[at : at + len(cut.positions)].numpy()
            )
            at += len(cut.positions)
        return InputBatch(planes, batch_index(cuts, range(len(cuts))))

    def iter_crops(self, patches: "ClipPixels") -> Iterator[InputBatch]:
        """What the network gets of a clip in each of its crops, one after the other, on the device of `patches`."""
        for rows, columns, mirrored in patches.crops:
            place = slice(*rows), slice(*columns)
            cut = (
                patches.pixels[:, *place]
                if self.name == "appearance"
                else patches.pixels[..., *place]
            )
            if cut.device.type == "cpu":
                planes = torch.empty(
                    (len(cut), self.channels_per_item, self.size, self.size), dtype=torch.uint8
                )
                self._resize_into(cut.numpy(), mirrored, planes.numpy())
            else:
                planes = resize(
                    cut.permute(0, 3, 1, 2) if self.name == "appearance" else cut, self.size
                )
                planes = mirror(planes, self.name) if mirrored else planes
            yield InputBatch(planes, patches.index)
