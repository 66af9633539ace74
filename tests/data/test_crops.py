"""Crops: random in training, fixed in testing."""

from collections import Counter

import numpy as np
import pytest

from pipeline.data.crops import (
    CROP_COUNTS,
    Crop,
    centre_crop,
    eval_crops,
    thought_of,
    training_crop,
)

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
        # 176 x 144 and 7 x 5 are off the shape of 340 x 256 by more than 5 %, and keep their own.
        shape = thought_of(FRAME, *frame)
        assert abs(width - frame[0] * crop.width * FRAME[0] / shape[0]) <= 1
        assert abs(height - frame[1] * crop.height * FRAME[1] / shape[1]) <= 1


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


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        # 4:3 is within 5 % of 340:256.
        ((320, 240), (340, 256)),
        # 3:4 is within 5 % of 256:340.
        ((240, 320), (256, 340)),
        # 1920 * 256 / 1080 = 455.11.
        ((1920, 1080), (455.11, 256)),
        ((1080, 1920), (256, 455.11)),
        # 400 * 256 / 64.
        ((400, 64), (1600, 256)),
    ],
)
def test_what_frames_are_thought_of_as(size, expected):
    assert thought_of(FRAME, *size) == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize(
    ("size", "side", "corners"),
    [
        # 320 * 224 / 340 = 210.8, 240 * 224 / 256 = 210.
        ((320, 240), (211, 210), [(0, 0), (109, 0), (0, 30), (109, 30), (55, 15)]),
        ((240, 320), (210, 211), [(0, 0), (30, 0), (0, 109), (30, 109), (15, 55)]),
        # 1080 * 224 / 256 = 945; 1920 - 945 = 975, half of it 487.5; 1080 - 945 = 135.
        ((1920, 1080), (945, 945), [(0, 0), (975, 0), (0, 135), (975, 135), (488, 68)]),
        ((1080, 1920), (945, 945), [(0, 0), (135, 0), (0, 975), (135, 975), (68, 488)]),
        # 64 * 224 / 256 = 56.
        ((400, 64), (56, 56), [(0, 0), (344, 0), (0, 8), (344, 8), (172, 4)]),
    ],
)
def test_crops_of_frames_of_any_shape(size, side, corners):
    found = [rectangle(crop, size) for crop in eval_crops(FRAME, 224, "ten")[:5]]
    for (left, top, width, height), corner in zip(found, corners, strict=True):
        assert np.abs(np.subtract((left, top), corner)).max() <= 1
        assert np.abs(np.subtract((width, height), side)).max() <= 1
