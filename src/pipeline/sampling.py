"""Which clip, which instant, which crop: every draw of training and every position of testing.

A training draw has a number, and everything about it follows from (seed, number): the samples are the same whatever
the number of loader workers, and a killed training resumes by the number of its next draw alone.
"""

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np


def draw_clip(count: int, seed: int, draw: int) -> int:
    """The clip of draw number `draw`: shuffled epochs, each of the `count` clips once an epoch."""
    epoch, place = divmod(draw, count)
    return int(_shuffled(count, seed, epoch)[place])


@lru_cache(maxsize=2)
def _shuffled(count: int, seed: int, epoch: int) -> np.ndarray:
    """The order of an epoch's clips: kept, as shuffling 10,000 takes as long as to read some of them."""
    return np.random.default_rng([seed, 1, epoch]).permutation(count)


def rng_of(seed: int, draw: int) -> np.random.Generator:
    """The random numbers of draw number `draw`."""
    return np.random.default_rng([seed, 0, draw])


def stack_starts(fields: int, length: int) -> int:
    """How many positions a stack of `length` fields can start at in a clip of `fields`; at least 1 (short clips clamp)."""
    return max(1, fields - length + 1)


def stack_fields(starts, length: int, fields: int) -> np.ndarray:
    """Indices (.., length) of the flow fields of stacks that start at `starts`: a short clip repeats its last field."""
    return np.minimum(np.asarray(starts)[..., None] + np.arange(length), fields - 1)


def period(centre: int, delta: int, units: int, last: int) -> np.ndarray:
    """The instants of one ASYN period: `units` (5) of them, `delta` apart, around `centre`, clamped to 0 .. last.

    Paper, section 5.1 and Fig. 5: offsets -2 delta .. 2 delta. With delta = 0 all are one instant (SYN).
    """
    offsets = (np.arange(units) - units // 2) * delta
    return np.clip(centre + offsets, 0, last)


def centre_range(delta: int, units: int, last: int) -> tuple[int, int]:
    """First and last centre of a period that lies inside a clip; where none does, the clip's middle twice.

    `last` is the last instant at which both a frame and a stack begin.
    """
    reach = delta * (units // 2)
    return (reach, last - reach) if last >= 2 * reach else (last // 2, last // 2)


def draw_period(rng: np.random.Generator, delta: int, units: int, last: int) -> tuple[int, np.ndarray]:
    """A random period of training: its centre, anywhere in `centre_range`, and its instants."""
    low, high = centre_range(delta, units, last)
    centre = int(rng.integers(low, high + 1))
    return centre, period(centre, delta, units, last)


def test_centres(periods: int, delta: int, units: int, last: int) -> np.ndarray:
    """Centres of the `periods` (12) test periods, evenly over `centre_range`. Paper, section 6.1."""
    return np.rint(np.linspace(*centre_range(delta, units, last), periods)).astype(int)


PLACES = [(0, 0), (1, 0), (0, 1), (1, 1), (0.5, 0.5)]  # of crops in a frame, x and y: four corners, then the centre
CROPS = {"centre": 1, "ten": 10}  # crops of a test input, by what scores.crops is


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
        bottom, right = round((self.top + self.height) * height), round((self.left + self.width) * width)
        return slice(top, max(bottom, top + 1)), slice(left, max(right, left + 1))


def training_crop(rng: np.random.Generator, frame: tuple[int, int], sizes: list[int], flip: bool) -> Crop:
    """Scale-jittered corner crop of Wang et al. (2015), "Towards good practices for very deep two-stream ConvNets".

    `frame` = (width, height), 340 x 256 in the paper's line: the frame is thought of as stretched to it. Height and
    width are drawn from `sizes` (largest first) apart by one step at most; the place is one of the four corners and
    the centre; mirrored with probability 1/2 when `flip`.
    """
    pairs = [(i, j) for i in range(len(sizes)) for j in range(len(sizes)) if abs(i - j) <= 1]
    row, column = pairs[rng.integers(len(pairs))]
    height, width = sizes[row], sizes[column]
    x, y = PLACES[rng.integers(len(PLACES))]
    mirrored = bool(flip and rng.random() < 0.5)
    return _crop(frame, width, height, x, y, mirrored)


def centre_crop(frame: tuple[int, int], size: int) -> Crop:
    """The test crop: `size` x `size` (224) from the middle of the `frame` (340 x 256)."""
    return _crop(frame, size, size, 0.5, 0.5, False)


def test_crops(frame: tuple[int, int], size: int, how: str) -> list[Crop]:
    """The test crops of CROPS, `size` x `size`: the centre's; or of ten, those of PLACES, then the mirrored twin of each."""
    if how == "centre":
        return [centre_crop(frame, size)]
    plain = [_crop(frame, size, size, x, y, False) for x, y in PLACES]
    return [*plain, *(replace(crop, mirrored=True) for crop in plain)]


def _crop(frame: tuple[int, int], width: int, height: int, x: float, y: float, mirrored: bool) -> Crop:
    """A width x height rectangle at (x, y), 0 = left or top, 1 = right or bottom, of a frame (width, height)."""
    frame_width, frame_height = frame
    return Crop(x * (frame_width - width) / frame_width, y * (frame_height - height) / frame_height,
                width / frame_width, height / frame_height, mirrored)


def fraction(rows: list[dict], share: float, seed: int) -> list[dict]:
    """A random `share` of the rows of each class, at least one; in the order of `rows`."""
    by_class: dict[str, list[int]] = {}
    for place, row in enumerate(rows):
        by_class.setdefault(row["class"], []).append(place)
    chosen = set()
    for number, places in enumerate(by_class.values()):
        order = np.random.default_rng([seed, 2, number]).permutation(len(places))
        chosen.update(places[i] for i in order[: max(1, round(share * len(places)))])
    return [row for place, row in enumerate(rows) if place in chosen]
