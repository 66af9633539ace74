"""Crops: random in training, fixed in testing."""

from collections import Counter

import numpy as np
import pytest

from pipeline.data.crops import CROP_COUNTS, Crop, centre_crop, eval_crops, training_crop

FRAME = (340, 256)
SIZES = {"appearance": [256, 224, 192, 168], "motion": [256, 224, 192]}
# Pairs of a height and a width that are one step apart at most, as in Wang et al. (2015).
PAIRS = {"appearance": 10, "motion": 7}


def draw_crops(name: str, count: int = 3000, flip: bool = True) -> list[Crop]:
    rng = np.random.default_rng(0)
    return [training_crop(rng, FRAME, SIZES[name], flip) for _ in range(count)]


def rectangle(crop: Crop, frame: tuple[int, int] = FRAME) -> tuple[int, int, int, int]:
    """Left, top, width, height in pixels."""
    rows, columns = crop.pixels(*frame)
    return columns.start, rows.start, columns.stop - columns.start, rows.stop - rows.start


@pytest.mark.parametrize("name", SIZES)
def test_training_crops(name):
    """Every pair of sizes is drawn, in all four corners and in the centre."""
    corners = {}
    for crop in draw_crops(name):
        left, top, width, height = rectangle(crop)
        corners.setdefault((width, height), set()).add((left, top))
    sizes = SIZES[name]
    assert set(corners) == {
        (w, h) for i, w in enumerate(sizes) for j, h in enumerate(sizes) if abs(i - j) <= 1
    }
    assert len(corners) == PAIRS[name]
    for (width, height), drawn in corners.items():
        right, bottom = 340 - width, 256 - height
        centre = (right // 2, bottom // 2)
        assert drawn == {(0, 0), (right, 0), (0, bottom), (right, bottom), centre}


@pytest.mark.parametrize("name", SIZES)
def test_training_crops_are_equally_likely(name):
    drawn = draw_crops(name)
    pairs = Counter(rectangle(crop)[2:] for crop in drawn)
    share = len(drawn) / PAIRS[name]
    assert all(abs(count - share) < 5 * np.sqrt(share) for count in pairs.values())
    centres = sum(np.isclose(crop.left, (1 - crop.width) / 2) for crop in drawn)
    assert abs(centres - len(drawn) / 5) < 5 * np.sqrt(len(drawn) / 5)
    mirrored = sum(crop.mirrored for crop in drawn)
    assert abs(mirrored - len(drawn) / 2) < 5 * np.sqrt(len(drawn) / 4)


def test_no_flip_mirrors_nothing():
    assert not any(crop.mirrored for crop in draw_crops("motion", 100, flip=False))


@pytest.mark.parametrize("frame", [(320, 240), (85, 64), (176, 144), (7, 5), (2, 2)])
def test_crops_stay_inside_frames_of_any_size(frame):
    for crop in draw_crops("appearance", 200):
        left, top, width, height = rectangle(crop, frame)
        assert 0 <= left < left + width <= frame[0] and 0 <= top < top + height <= frame[1]
        assert abs(width - frame[0] * crop.width) <= 1 and abs(height - frame[1] * crop.height) <= 1


def test_centre_crop():
    assert rectangle(centre_crop(FRAME, 224)) == (58, 16, 224, 224)
    assert rectangle(centre_crop(FRAME, 224), (170, 128)) == (29, 8, 112, 112)
    assert not centre_crop(FRAME, 224).mirrored
    assert eval_crops(FRAME, 224, "centre") == [centre_crop(FRAME, 224)]


def test_ten_crops():
    """Four corners and the centre of 340 x 256, then each of them mirrored."""
    crops = eval_crops(FRAME, 224, "ten")
    corners = [(0, 0), (116, 0), (0, 32), (116, 32), (58, 16)]
    assert [rectangle(crop) for crop in crops] == 2 * [(*corner, 224, 224) for corner in corners]
    assert [crop.mirrored for crop in crops] == 5 * [False] + 5 * [True]
    assert len(crops) == CROP_COUNTS["ten"]
