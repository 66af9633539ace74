"""Crops: rectangles of a frame, random in training and fixed in testing."""

from dataclasses import dataclass, replace

import numpy as np

CORNERS_AND_CENTRE = [
    (0, 0),
    (1, 0),
    (0, 1),
    (1, 1),
    (0.5, 0.5),
]  # of crops in a frame, x and y: four corners, then the centre
CROP_COUNTS = {"centre": 1, "ten": 10}  # crops of a test input, by what scores.crops is


@dataclass(frozen=True)
class Crop:
    """A rectangle of a frame as fractions of its width and height, and whether it is mirrored."""

    left: float
    top: float
    width: float
    height: float
    mirrored: bool = False

    def pixels(self, width: int, height: int) -> tuple[slice, slice]:
        """Rows and columns of the rectangle in a frame of `width` x `height` pixels."""
        top, left = round(self.top * height), round(self.left * width)
        bottom, right = (
            round((self.top + self.height) * height),
            round((self.left + self.width) * width),
        )
        return slice(top, max(bottom, top + 1)), slice(left, max(right, left + 1))


def training_crop(
    rng: np.random.Generator, frame: tuple[int, int], sizes: list[int], flip: bool
) -> Crop:
    """Scale-jittered corner crop of Wang et al. (2015), "Towards good practices for very deep two-stream ConvNets".

    `frame` = (width, height), 340 x 256 in the paper's line: the frame is thought of as stretched to it. Height and
    width are drawn from `sizes` (largest first) apart by one step at most; the place is one of the four corners and
    the centre; mirrored with probability 1/2 when `flip`.
    """
    pairs = [(i, j) for i in range(len(sizes)) for j in range(len(sizes)) if abs(i - j) <= 1]
    row, column = pairs[rng.integers(len(pairs))]
    height, width = sizes[row], sizes[column]
    x, y = CORNERS_AND_CENTRE[rng.integers(len(CORNERS_AND_CENTRE))]
    mirrored = bool(flip and rng.random() < 0.5)
    return _crop(frame, width, height, x, y, mirrored)


def centre_crop(frame: tuple[int, int], size: int) -> Crop:
    """The test crop: `size` x `size` (224) from the middle of the `frame` (340 x 256)."""
    return _crop(frame, size, size, 0.5, 0.5, False)


def eval_crops(frame: tuple[int, int], size: int, how: str) -> list[Crop]:
    """The test crops of CROPS, `size` x `size`: the centre's; or of ten, those of PLACES, then the mirrored twin of each."""
    if how == "centre":
        return [centre_crop(frame, size)]
    plain = [_crop(frame, size, size, x, y, False) for x, y in CORNERS_AND_CENTRE]
    return [*plain, *(replace(crop, mirrored=True) for crop in plain)]


def _crop(
    frame: tuple[int, int], width: int, height: int, x: float, y: float, mirrored: bool
) -> Crop:
    """A width x height rectangle at (x, y), 0 = left or top, 1 = right or bottom, of a frame (width, height)."""
    frame_width, frame_height = frame
    return Crop(
        x * (frame_width - width) / frame_width,
        y * (frame_height - height) / frame_height,
        width / frame_width,
        height / frame_height,
        mirrored,
    )
