"""Read crops of one stream from the store, and build network inputs of them."""

from collections.abc import Iterable, Iterator

import cv2
import numpy as np
import torch

from pipeline.data import crops, memory
from pipeline.data.batch import ClipPixels, CropRequest, InputBatch, batch_index
from pipeline.data.crops import Crop
from pipeline.data.instants import count_stack_starts, stack_fields
from pipeline.data.transforms import mirror, resize
from pipeline.flow import levels
from pipeline.storage.reader import Shards
from pipeline.streams import STORES


class Stream:
    """One stream of a data set: network inputs of any clip, at any instant, in any crop.

    An instant is the position of a frame, or of the first field of a stack. A clip is given by
    its row of the index.
    """

    def __init__(self, name: str, folder: str, crops: dict, stack: int, rows: list[dict]):
        """`name` is appearance or motion, `folder` has the set's shards of frames or of flow.

        `crops` and `stack` are the settings of these names; `rows` are the clips to be read.
        Raises PipelineError when their shards were made with different settings.
        """
        self.name, self.stack = name, stack
        # A frame has red, green and blue, a field the motion in x and in y.
        self.channels_per_item = 3 if name == "appearance" else 2
        # Inputs of a network have `size` x `size` pixels; crops are sized within `frame_size`.
        self.size, self.frame_size = crops["size"], tuple(crops["frame"])
        self.training_sizes, self.test_size = crops[name], crops["test"]
        self.flip = crops["flip"]
        self.shards = Shards(folder, STORES[name])
        self.shards.check_same_settings(rows)

    def last_instant(self, row: dict) -> int:
        """Return the last instant of a clip: its last frame, or the last start of a stack."""
        if self.name == "appearance":
            return row["frames"] - 1
        return count_stack_starts(row["frames"] - 1, self.stack) - 1

    def training_crop(self, rng: np.random.Generator) -> Crop:
        """Draw a random crop for a training sample."""
        return crops.training_crop(rng, self.frame_size, self.training_sizes, self.flip)

    def centre_crop(self) -> Crop:
        """Return the test crop in the middle of the frame."""
        return crops.centre_crop(self.frame_size, self.test_size)

    def request(self, row: dict, instants, crop: Crop) -> CropRequest:
        """Return what must be read for a crop of a clip at `instants` (T,), or at a single one."""
        data, instants = self.shards.dataset(row), np.asarray(instants)
        if self.name == "appearance":
            items = instants[..., None]  # (T, 1) or (1,)
            height, width = data.shape[1:3]  # of (frames, height, width, 3)
        else:
            items = stack_fields(instants, self.stack, len(data))  # (T, L) or (L,)
            height, width = data.shape[2:]  # of (fields, 2, height, width)
        positions, index = np.unique(items, return_inverse=True)
        rows, columns = crop.pixels(width, height)
        return CropRequest(
            data, positions, index.reshape(items.shape), rows, columns, crop.mirrored
        )

    def collate(self, requests: list[CropRequest]) -> InputBatch:
        """Read the requests of a batch; all of them have the same number of instants."""
        count = sum(len(request.positions) for request in requests)
        pixels = memory.batch((count, self.channels_per_item, self.size, self.size))
        offset = 0
        for request in requests:
            end = offset + len(request.positions)
            self._resize_into(request.patches(), request.mirrored, pixels[offset:end].numpy())
            offset = end
        return InputBatch(pixels, batch_index(requests))

    def __call__(self, row: dict, instants, crop: Crop) -> np.ndarray:
        """Return a crop of a clip as uint8 (T, channels, size, size) at `instants` (T,).

        At a single instant the result is (channels, size, size).
        """
        return self.collate([self.request(row, instants, crop)]).stacked[0].numpy()

    def iter_crops(self, clip: ClipPixels) -> Iterator[InputBatch]:
        """Yield the inputs (T samples) of a clip in each of its crops, on the device of `clip`."""
        for rows, columns, mirrored in clip.crops:
            pixels = self._crop(clip.pixels, slice(*rows), slice(*columns), mirrored)
            yield InputBatch(pixels, clip.index)

    def _crop(
        self, pixels: torch.Tensor, rows: slice, columns: slice, mirrored: bool
    ) -> torch.Tensor:
        """Cut a crop out of stored pixels, resize and mirror it: (n, 3 or 2, size, size).

        `pixels` are frames (n, h, w, 3) or fields (n, 2, h, w). OpenCV is faster on a CPU; on a
        GPU, `transforms` gives the same bits.
        """
        if self.name == "appearance":
            patches = pixels[:, rows, columns]
        else:
            patches = pixels[..., rows, columns]
        if patches.device.type == "cpu":
            shape = (len(patches), self.channels_per_item, self.size, self.size)
            out = torch.empty(shape, dtype=torch.uint8)
            self._resize_into(patches.numpy(), mirrored, out.numpy())
            return out
        if self.name == "appearance":
            patches = patches.permute(0, 3, 1, 2)  # (n, h, w, 3) to (n, 3, h, w)
        resized = resize(patches, self.size)
        return mirror(resized, self.name) if mirrored else resized

    def _resize_into(self, patches: Iterable[np.ndarray], mirrored: bool, out: np.ndarray) -> None:
        """Resize stored frames (h, w, 3) or fields (2, h, w) into `out` (n, 3 or 2, size, size).

        When `mirrored`, they are flipped, and the x component of fields is negated.
        """
        size = (self.size, self.size)
        for target, patch in zip(out, patches, strict=True):
            if self.name == "appearance":
                frame = cv2.resize(patch, size, interpolation=cv2.INTER_LINEAR)
                cv2.split(cv2.flip(frame, 1) if mirrored else frame, list(target))
            elif mirrored:
                for component, channel in zip(patch, target, strict=True):
                    resized = cv2.resize(component, size, interpolation=cv2.INTER_LINEAR)
                    cv2.flip(resized, 1, dst=channel)
                target[0] = levels.negated(target[0])
            else:
                for component, channel in zip(patch, target, strict=True):
                    cv2.resize(component, size, dst=channel, interpolation=cv2.INTER_LINEAR)
