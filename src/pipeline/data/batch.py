"""Batches of network inputs, and what is asked of the store to make them."""

from collections.abc import Iterator
from typing import NamedTuple

import h5py
import numpy as np
import torch

from pipeline.storage import decoding


class InputBatch(NamedTuple):
    """A batch of inputs: frames (n, 3, H, W) or fields (n, 2, H, W), `pixels`, each once, and which of them each has.

    `index` is (.., 1) of frames and (.., L) of stacks. Neighbouring stacks share most of their fields: a period of five has
    thirty in place of fifty to read, resize and send.
    """

    pixels: torch.Tensor
    index: torch.Tensor

    def select(self, which) -> "InputBatch":
        """Some of the batch, by their places along its first axis."""
        return self._replace(index=self.index[which])

    @property
    def stacked(self) -> torch.Tensor:
        """(.., channels, H, W): RGB, or x1 y1 x2 y2 .., of the dtype of `pixels`."""
        found = self.pixels[self.index]  # (.., L, P, H, W)
        return found.flatten(-4, -3)  # (.., L P, H, W)


class CropRequest(NamedTuple):
    """A rectangle of frames or fields of a clip that is still to be read: `positions` (n,) of them, ascending, each once.

    `index` (T, 1 or L), or (1 or L,) of one instant, says which of them each instant has.
    """

    data: h5py.Dataset
    positions: np.ndarray
    index: np.ndarray
    rows: slice
    columns: slice
    mirrored: bool

    @property
    def shape(self) -> tuple[int, ...]:
        """(n, h, w, 3) of frames, (n, 2, h, w) of fields."""
        size = (self.rows.stop - self.rows.start, self.columns.stop - self.columns.start)
        return (
            (len(self.positions), *size, 3)
            if self.data.shape[-1] == 3
            else (len(self.positions), 2, *size)
        )

    def patches(self) -> Iterator[np.ndarray]:
        """Frames (h, w, 3) or fields (2, h, w) as they are stored, each valid until the next."""
        return decoding.frames_or_fields(self.data, self.positions, self.rows, self.columns)

    def read_into(self, out: np.ndarray) -> None:
        """The patches into `out`, of `shape`."""
        for target, patch in zip(out, self.patches(), strict=True):
            target[:] = patch


class ClipPixels(NamedTuple):
    """A clip at some instants, as it is stored: frames (n, h, w, 3) or fields (n, 2, h, w), no larger than its crops need.

    `index` (T, 1 or L) are the instants' own of them; of each crop `crops` says from where to where its rows and its
    columns go, and whether it is mirrored.
    """

    pixels: torch.Tensor
    index: torch.Tensor
    crops: list[tuple[tuple[int, int], tuple[int, int], bool]]


class RawBatch(NamedTuple):
    """The cuts of a batch for a GPU to finish: the bytes of all, those of one size together; `index` are those of Inputs.

    One flat tensor travels to the GPU in one piece, whatever sizes the crops have, and a few kernels finish it. `shapes` are
    (n, h, w, 3) or (n, 2, h, w) of the patches that follow one another, `mirrored` (n of all,) says which are mirrored.
    """

    pixels: torch.Tensor
    index: torch.Tensor
    shapes: list[tuple[int, ...]]
    mirrored: torch.Tensor
