"""The sample of a clip's trajectories: bounded, fair, the same for the same seed."""

import numpy as np
import pytest

from pipeline.idt import sample


def numbered(count: int) -> np.ndarray:
    return np.repeat(np.arange(count, dtype=np.float32)[:, None], 436, axis=1)


@pytest.mark.parametrize(
    "frames, length, expected", [(100, 30, 30), (20, 30, 20), (100, 0, 100), (30, 30, 30)]
)
def test_window_lies_in_the_clip(frames, length, expected):
    windows = {
        sample.choose_window(frames, length, np.random.default_rng(seed)) for seed in range(500)
    }
    assert {end - first for first, end in windows} == {expected}
    assert {first for first, _ in windows} == set(range(frames - expected + 1))


def test_random_numbers_are_of_the_clip_and_the_seed():
    drawn = [
        sample.clip_rng(seed, clip).random()
        for seed, clip in ((1, "Run/a"), (1, "Run/a"), (2, "Run/a"), (1, "Run/b"))
    ]
    assert drawn[0] == drawn[1] and len(set(drawn)) == 3


@pytest.mark.parametrize("count, expected", [(10, 10), (500, 100)])
def test_draw_keeps_so_many_once_each_in_their_order(count, expected):
    rows = numbered(100)
    drawn = sample.draw_sample([rows[:40], rows[40:40], rows[40:]], count, np.random.default_rng(1))
    assert drawn.shape == (expected, 436)
    assert (np.diff(drawn[:, 0]) > 0).all() and (drawn == drawn[:, :1]).all()


def test_draw_is_fair_however_rows_come():
    counts = np.zeros(20)
    for seed in range(2000):
        for rows in np.split(numbered(20), [3, 4, 15]), [numbered(20)]:
            drawn = sample.draw_sample(rows, 5, np.random.default_rng(seed))
            counts[drawn[:, 0].astype(int)] += 1
    assert counts / 4000 == pytest.approx(np.full(20, 0.25), abs=0.04)


def test_draw_of_nothing():
    assert sample.draw_sample([], 5, np.random.default_rng(1)).shape == (0, 436)
