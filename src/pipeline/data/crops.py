"""Crops: rectangles of a frame, random in training and fixed in testing."""

from dataclasses import dataclass, replace

import numpy as np

# Where a crop lies in the frame, as (x, y): 0 is left or top, 1 is right or bottom.
CORNERS_AND_CENTRE = [(0, 0), (1, 0), (0, 1), (1, 1), (0.5, 0.5)]
# The number of crops per test input, by the setting scores.crops.
CROP_COUNTS = {"centre": 1, "ten": 10}


# How far the aspect ratio of a frame may be from that of crops.frame to be stretched to it.
TOLERANCE = 0.05


@dataclass(frozen=True)
class Crop:
    """A rectangle as fractions of the width and height of a frame, and whether it is mirrored.

    The fractions are those of a frame that is thought of as stretched to `frame`, where there is
    one. In a frame of another shape, `thought_of` says what it is stretched to: the rectangle
    keeps its size in pixels there, and its place (`x`, `y`), as in CORNERS_AND_CENTRE.
    """

    left: float
    top: float
    width: float
    height: float
    mirrored: bool = False
    frame: tuple[int, int] | None = None
    x: float = 0.5
    y: float = 0.5

    def pixels(self, width: int, height: int) -> tuple[slice, slice]:
        """Rows and columns of the rectangle in a frame of `width` x `height` pixels."""
        here = self._within(thought_of(self.frame, width, height)) if self.frame else self
        top, left = round(here.top * height), round(here.left * width)
        bottom = round((here.top + here.height) * height)
        right = round((here.left + here.width) * width)
        # A crop of a tiny frame still has a pixel.
        return slice(top, max(bottom, top + 1)), slice(left, max(right, left + 1))

    def _within(self, frame: tuple[float, float]) -> "Crop":
        """The crop of the same size and place in a frame of another shape."""
        if frame == self.frame:
            return self
        width = min(1, self.width * self.frame[0] / frame[0])
        height = min(1, self.height * self.frame[1] / frame[1])
        return replace(
            self, left=self.x * (1 - width), top=self.y * (1 - height), width=width, height=height
        )


def thought_of(frame: tuple[int, int], width: int, height: int) -> tuple[float, float]:
    """Return the width and height that a frame of `width` x `height` is thought of as stretched to.

    It is `frame`, crops.frame, where the aspect ratio is within TOLERANCE of its; `frame` turned on
    its side where it is within TOLERANCE of that, as in portrait video. Any other frame keeps its
    aspect ratio: its short side becomes that of `frame`, and its long side follows.
    """
    for candidate in (frame, frame[::-1]):
        if abs(width * candidate[1] / (height * candidate[0]) - 1) <= TOLERANCE:
            return candidate
    scale = min(frame) / min(width, height)
    return width * scale, height * scale


def training_crop(
    rng: np.random.Generator, frame: tuple[int, int], sizes: list[int], flip: bool
) -> Crop:
    """Draw a scale-jittered corner crop.

    From Wang et al. (2015), "Towards good practices for very deep two-stream ConvNets". Frames are
    treated as if they were stretched to `frame` = (width, height), 340 x 256 there (other shapes
    than its: `thought_of`). Height and
    width are drawn from `sizes`, which are sorted, and are at most one step apart. The crop lies
    in one of the four corners or in the centre. With `flip`, it is mirrored with probability 1/2.
    """
    steps = range(len(sizes))
    pairs = [(i, j) for i in steps for j in steps if abs(i - j) <= 1]
    row, column = pairs[rng.integers(len(pairs))]
    height, width = sizes[row], sizes[column]
    x, y = CORNERS_AND_CENTRE[rng.integers(len(CORNERS_AND_CENTRE))]
    # Without `flip`, no random number is drawn for it.
    mirrored = bool(flip and rng.random() < 0.5)
    return _crop_at(frame, width, height, x, y, mirrored)


def centre_crop(frame: tuple[int, int], size: int) -> Crop:
    """Return the test crop: `size` x `size` (224) in the middle of the `frame` (340 x 256)."""
    return _crop_at(frame, size, size, 0.5, 0.5, False)


def eval_crops(frame: tuple[int, int], size: int, mode: str) -> list[Crop]:
    """Return the test crops, `size` x `size`, of `mode` 'centre' or 'ten' (see CROP_COUNTS).

    The ten crops are those of CORNERS_AND_CENTRE, then each of them mirrored.
    """
    if mode == "centre":
        return [centre_crop(frame, size)]
    plain = [_crop_at(frame, size, size, x, y, False) for x, y in CORNERS_AND_CENTRE]
    return [*plain, *(replace(crop, mirrored=True) for crop in plain)]


def _crop_at(
    frame: tuple[int, int], width: int, height: int, x: float, y: float, mirrored: bool
) -> Crop:
    """Return a crop of `width` x `height` at (x, y), as in CORNERS_AND_CENTRE, of a `frame`."""
    frame_width, frame_height = frame
    return Crop(
        x * (frame_width - width) / frame_width,
        y * (frame_height - height) / frame_height,
        width / frame_width,
        height / frame_height,
        mirrored,
        (frame_width, frame_height),
        x,
        y,
    )
