"""Draws of training and positions of testing."""

from collections import Counter

import numpy as np
import pytest

from pipeline.data import instants, sampler
from pipeline.data.crops import CROP_COUNTS, Crop, centre_crop, eval_crops, training_crop
from pipeline.data.instants import centre_range, count_stack_starts, draw_period, stack_fields
from pipeline.data.instants import (
    eval_periods as periods_of,  # under its own name pytest would take it for a test
)

FRAME = (340, 256)
SIZES = {"appearance": [256, 224, 192, 168], "motion": [256, 224, 192]}
PAIRS = {
    "appearance": 10,
    "motion": 7,
}  # Wang et al. (2015): height and width apart by one step at most


def crops(name: str, count: int = 3000, flip: bool = True) -> list[Crop]:
    rng = np.random.default_rng(0)
    return [training_crop(rng, FRAME, SIZES[name], flip) for _ in range(count)]


def rectangle(crop: Crop, frame: tuple[int, int] = FRAME) -> tuple[int, int, int, int]:
    """Left, top, width, height in pixels."""
    rows, columns = crop.pixels(*frame)
    return columns.start, rows.start, columns.stop - columns.start, rows.stop - rows.start


# --- instants


def test_period_is_five_instants_around_the_centre():
    """Section 5.1: five inputs, Delta = 5 frames apart."""
    assert instants.period_instants(40, 5, 5, 100).tolist() == [30, 35, 40, 45, 50]
    assert instants.period_instants(40, 0, 5, 100).tolist() == 5 * [40]  # synchronous


def test_period_is_clamped_to_the_clip():
    assert instants.period_instants(3, 5, 5, 100).tolist() == [0, 0, 3, 8, 13]
    assert instants.period_instants(98, 5, 5, 100).tolist() == [88, 93, 98, 100, 100]


def test_stacks_of_the_shortest_clip():
    """UCF101's shortest clip has 29 frames, so 28 fields: stacks of 10 start at 0 .. 18, and a period spans 20."""
    assert count_stack_starts(28, 10) == 19
    assert stack_fields(18, 10, 28).tolist() == list(range(18, 28))
    assert stack_fields(20, 10, 28).tolist() == [20, 21, 22, 23, 24, 25, 26, 27, 27, 27]
    assert centre_range(5, 5, 18) == (9, 9)
    assert instants.period_instants(9, 5, 5, 18).tolist() == [0, 4, 9, 14, 18]


def test_periods_of_the_shortest_clip_in_testing():
    """29 frames, 28 fields: all 12 periods are the one around the middle, clamped at its end, and every stack is whole."""
    last = min(29 - 1, count_stack_starts(29 - 1, 10) - 1)
    centres, instants = periods_of(last, {"count": 12, "delta": 5, "instants": 5})
    assert (
        last == 18
        and centres.tolist() == 12 * [9]
        and instants.tolist() == 12 * [[0, 4, 9, 14, 18]]
    )
    assert [stack_fields(t, 10, 28).tolist() for t in instants[0]] == [
        list(range(t, t + 10)) for t in instants[0]
    ]
    drawn = {
        (centre, *period)
        for centre, period in (
            draw_period(sampler.sample_rng(1, draw), 5, 5, last) for draw in range(20)
        )
    }
    assert drawn == {(9, 0, 4, 9, 14, 18)}


def test_stacks_of_a_clip_shorter_than_a_stack():
    assert count_stack_starts(3, 10) == 1
    assert stack_fields(0, 10, 3).tolist() == [0, 1, *8 * [2]]


@pytest.mark.parametrize("last", [20, 21, 33, 170, 1775])
def test_periods_of_testing_lie_inside_the_clip_and_cover_it(last):
    """Section 6.1: 12 periods of a clip."""
    centres, instants = periods_of(last, {"count": 12, "delta": 5, "instants": 5})
    assert centres.shape == (12,) and instants.shape == (12, 5)
    assert (instants == centres[:, None] + [-10, -5, 0, 5, 10]).all()  # none is clamped
    assert instants.min() == 0 and instants.max() == last
    assert np.abs(centres - (10 + np.arange(12) * (last - 20) / 11)).max() <= 0.5  # evenly


def test_periods_of_testing_of_short_clips():
    for last in range(20):
        centres, instants = periods_of(last, {"count": 12, "delta": 5, "instants": 5})
        assert (centres == last // 2).all() and instants.shape == (12, 5)
        assert instants.min() >= 0 and instants.max() <= last


def test_every_training_centre_has_its_whole_period():
    for last in (20, 55):
        low, high = centre_range(5, 5, last)
        assert (low, high) == (10, last - 10)
    assert centre_range(0, 5, 30) == (0, 30)


# --- clips


def test_draw_clip_covers_every_clip_once_an_epoch():
    epochs = [
        [sampler.clip_index(20, 7, epoch * 20 + place) for place in range(20)] for epoch in range(3)
    ]
    assert all(sorted(epoch) == list(range(20)) for epoch in epochs)
    assert epochs[0] != epochs[1] != epochs[2] and epochs[0] != list(range(20))


def test_draw_clip_depends_on_the_seed():
    assert [sampler.clip_index(20, 1, i) for i in range(20)] != [
        sampler.clip_index(20, 2, i) for i in range(20)
    ]


def test_rng_depends_on_seed_and_draw():
    first = {
        (seed, draw): sampler.sample_rng(seed, draw).integers(1 << 60)
        for seed in range(10)
        for draw in range(10)
    }
    assert len(set(first.values())) == 100
    assert sampler.sample_rng(3, 4).integers(1 << 60) == first[3, 4]


def rows_of(sizes: dict[str, int]) -> list[dict]:
    return [
        {"clip": f"{name}/{number}", "class": name}
        for number in range(max(sizes.values()))
        for name, size in sizes.items()
        if number < size
    ]


def test_fraction_is_taken_of_every_class():
    rows = rows_of({"Archery": 80, "Bowling": 16, "Diving": 3})
    part = sampler.class_fraction(rows, 1 / 8, 0)
    assert Counter(row["class"] for row in part) == {"Archery": 10, "Bowling": 2, "Diving": 1}
    assert part == [row for row in rows if row in part]
    assert part == sampler.class_fraction(rows, 1 / 8, 0) != sampler.class_fraction(rows, 1 / 8, 1)
    assert sampler.class_fraction(rows, 1.0, 0) == rows


# --- crops


@pytest.mark.parametrize("name", SIZES)
def test_training_crops(name):
    """Every pair of sizes, in all five places of its own: four corners and the centre."""
    places = {}
    for crop in crops(name):
        left, top, width, height = rectangle(crop)
        places.setdefault((width, height), set()).add((left, top))
    sizes = SIZES[name]
    assert set(places) == {
        (w, h) for i, w in enumerate(sizes) for j, h in enumerate(sizes) if abs(i - j) <= 1
    }
    assert len(places) == PAIRS[name]
    for (width, height), found in places.items():
        right, bottom = 340 - width, 256 - height
        assert found == {
            (0, 0),
            (right, 0),
            (0, bottom),
            (right, bottom),
            (right // 2, bottom // 2),
        }


@pytest.mark.parametrize("name", SIZES)
def test_training_crops_are_equally_likely(name):
    drawn = crops(name)
    pairs = Counter(rectangle(crop)[2:] for crop in drawn)
    share = len(drawn) / PAIRS[name]
    assert all(abs(count - share) < 5 * np.sqrt(share) for count in pairs.values())
    centres = sum(np.isclose(crop.left, (1 - crop.width) / 2) for crop in drawn)
    assert abs(centres - len(drawn) / 5) < 5 * np.sqrt(len(drawn) / 5)
    mirrored = sum(crop.mirrored for crop in drawn)
    assert abs(mirrored - len(drawn) / 2) < 5 * np.sqrt(len(drawn) / 4)


def test_no_flip_mirrors_nothing():
    assert not any(crop.mirrored for crop in crops("motion", 100, flip=False))


@pytest.mark.parametrize("frame", [(320, 240), (85, 64), (176, 144), (7, 5), (2, 2)])
def test_crops_stay_inside_frames_of_any_size(frame):
    for crop in crops("appearance", 200):
        left, top, width, height = rectangle(crop, frame)
        assert 0 <= left < left + width <= frame[0] and 0 <= top < top + height <= frame[1]
        assert abs(width - frame[0] * crop.width) <= 1 and abs(height - frame[1] * crop.height) <= 1


def test_centre_crop():
    assert rectangle(centre_crop(FRAME, 224)) == (58, 16, 224, 224)
    assert rectangle(centre_crop(FRAME, 224), (170, 128)) == (29, 8, 112, 112)
    assert not centre_crop(FRAME, 224).mirrored
    assert eval_crops(FRAME, 224, "centre") == [centre_crop(FRAME, 224)]


def test_ten_crops():
    """Four corners and the centre of 340 x 256, then their mirrored twins."""
    found = eval_crops(FRAME, 224, "ten")
    places = [(0, 0), (116, 0), (0, 32), (116, 32), (58, 16)]
    assert [rectangle(crop) for crop in found] == 2 * [(*place, 224, 224) for place in places]
    assert [crop.mirrored for crop in found] == 5 * [False] + 5 * [True] and len(
        found
    ) == CROP_COUNTS["ten"]
