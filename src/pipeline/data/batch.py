"""What a dataset asks of the store, and the batches of network inputs that are made of it."""

from collections.abc import Iterator
from typing import NamedTuple

import h5py
import numpy as np
import torch

from pipeline.storage import decoding


class InputBatch(NamedTuple):
    """A batch of network inputs of one stream, in which no frame or field is stored twice.

    `pixels` holds every distinct frame (n, 3, H, W) or flow field (n, 2, H, W) once. `index` says
    which of them each sample uses: (.., 1) of frames, (.., L) of stacks of L fields. Neighbouring
    stacks share most of their fields: a period of five stacks of 10 has 30 distinct fields in
    place of 50 to read, resize and send to the device.
    """

    pixels: torch.Tensor
    index: torch.Tensor

    def select(self, which) -> "InputBatch":
        """Return the samples that `which` selects along the first axis; the pixels are shared."""
        return self._replace(index=self.index[which])

    @property
    def stacked(self) -> torch.Tensor:
        """(.., channels, H, W): RGB, or x1 y1 x2 y2 .., of the dtype of `pixels`."""
        # C is 3 for frames and 2 for flow fields.
        items = self.pixels[self.index]  # (.., L, C, H, W)
        return items.flatten(-4, -3)  # (.., L * C, H, W)


class CropRequest(NamedTuple):
    """A rectangle of some frames or fields of a clip that is still to be read.

    `positions` (n,) are the distinct frames or fields to read, ascending. `index` says which of
    them each instant uses: (T, 1 or L) of T instants, (1 or L,) of a single one. `rows` and
    `columns` are the rectangle in stored pixels.
    """

    data: h5py.Dataset
    positions: np.ndarray
    index: np.ndarray
    rows: slice
    columns: slice
    mirrored: bool

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the stored pixels: (n, h, w, 3) of frames, (n, 2, h, w) of fields."""
        # Frames are stored with their channels last, fields with their components first.
        if self.data.shape[-1] == 3:
            return (len(self.positions), *self.size, 3)
        return (len(self.positions), 2, *self.size)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the rectangle."""
        return self.rows.stop - self.rows.start, self.columns.stop - self.columns.start

    def patches(self) -> Iterator[np.ndarray]:
        """Yield stored frames (h, w, 3) or fields (2, h, w); each is valid until the next."""
        return decoding.frames_or_fields(self.data, self.positions, self.rows, self.columns)

    def read_into(self, out: np.ndarray) -> None:
        """Read the stored pixels into `out`, an array of `shape`."""
        for target, patch in zip(out, self.patches(), strict=True):
            target[:] = patch


class ClipPixels(NamedTuple):
    """The stored pixels of a clip at some instants: the smallest rectangle that has all its crops.

    `pixels` are distinct frames (n, h, w, 3) or fields (n, 2, h, w); `index` (T, 1 or L) says
    which of them each instant uses. A crop is its first and end row, its first and end column in
    `pixels`, and whether it is mirrored.
    """

    pixels: torch.Tensor
    index: torch.Tensor
    crops: list[tuple[tuple[int, int], tuple[int, int], bool]]


class RawBatch(NamedTuple):
    """The stored pixels of a batch, which a GPU makes an InputBatch of.

    Crops have different sizes. One flat tensor of bytes, `pixels`, travels to the GPU in a single
    copy, crop after crop; `index` is that of InputBatch. Of each crop `shapes` has the shape
    (n, h, w, 3) or (n, 2, h, w), and `mirrored` whether it is to be mirrored.

    A kernel takes the frames or fields of all crops at once. `places` (n of all, 6) int64 says
    where each begins in `pixels`, its strides of rows, columns and channels, whether it is
    mirrored, and the number of its crop. `taps` (crops, 8, size) int32 are `transforms.neighbours`
    of the rows and of the columns of each crop.
    """

    pixels: torch.Tensor
    index: torch.Tensor
    shapes: list[tuple[int, ...]]
    mirrored: list[bool]
    places: torch.Tensor
    taps: torch.Tensor


def batch_index(requests: list[CropRequest]) -> torch.Tensor:
    """Return the index (B, T, 1 or L), or (B, 1 or L), of a batch of B requests.

    It refers to the frames or fields of all requests, one request after the other.
    """
    counts = [len(request.positions) for request in requests]
    offsets = np.cumsum([0, *counts[:-1]])
    index = [request.index + offset for request, offset in zip(requests, offsets, strict=True)]
    return torch.from_numpy(np.stack(index))
