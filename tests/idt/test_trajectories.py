"""Sampling, tracking and the rules by which trajectories are dropped, against numpy in float64."""

import numpy as np
import pytest

from pipeline.idt import trajectories
from pipeline.idt.trajectories import INFO, LENGTH, SHAPE, Scale

RNG = np.random.default_rng(3)
NOISE = RNG.integers(0, 256, (60, 80), dtype=np.uint8)


def uniform(dx: float, dy: float) -> np.ndarray:
    return np.zeros((2, 60, 80), np.float32) + np.array([[[dx]], [[dy]]], np.float32)


def finished(path, moves, scale=1.0) -> np.ndarray:
    """The row, or none, of a path (16, 2) and its steps (15, 2) without camera motion.

    The values of its histograms are 0, 1, 2, ...
    """
    sums = np.arange(3 * 132, dtype=np.float32).reshape(1, 3, 132)
    return trajectories._finish(np.float32([path]), np.float32([moves]), sums, np.float32(scale))


def straight(step, moves=None):
    path = np.cumsum([(10, 20), *[step] * LENGTH], axis=0)
    return path, np.tile(step if moves is None else moves, (LENGTH, 1))


# Sampling


def test_every_cell_with_texture_gets_a_point():
    scale = Scale(np.float32(1))
    scale.sample(NOISE)
    expected = [(x, y) for y in range(2, 60, 5) for x in range(2, 80, 5)]
    assert sorted(map(tuple, scale.positions().astype(int).tolist())) == sorted(expected)
    scale.sample(NOISE)
    # No cell is free now.
    assert len(scale.steps) == len(expected)


def test_flat_parts_get_none():
    half = NOISE.copy()
    half[:, 40:] = 128
    scale, flat = Scale(np.float32(1)), Scale(np.float32(1))
    scale.sample(half)
    flat.sample(np.full((60, 80), 3, np.uint8))
    assert (
        (scale.positions()[:, 0] < 43).all() and len(scale.steps) >= 8 * 12 and len(flat.steps) == 0
    )


def test_cells_that_a_point_left_are_sampled_again():
    scale = Scale(np.float32(1))
    scale.sample(NOISE)
    before = len(scale.steps)
    # The last column of points leaves the picture.
    scale.advance(NOISE, uniform(5, 0), uniform(5, 0))
    assert len(scale.steps) == before - 12
    scale.sample(NOISE)
    assert len(scale.steps) == before and (scale.positions()[-12:, 0] == 2).all()


# Tracking


@pytest.mark.parametrize("factor", [1.0, 2.0])
def test_points_follow_the_flow_for_15_steps(factor):
    scale = Scale(np.float32(factor))
    scale.sample(NOISE)
    for step in range(LENGTH):
        rows = scale.advance(NOISE, uniform(1.5, -0.5), uniform(1.0, 0.25))
        assert (len(rows) > 0) == (step == LENGTH - 1)
    started = [
        (x, y) for x in range(2, 80, 5) for y in range(2, 60, 5) if x + 22.5 < 80 and y - 7.5 > 0
    ]
    assert len(rows) == len(started) and len(scale.steps) == 0
    means = factor * (np.array(started) + (11.25, -3.75))
    assert sorted(rows[:, 1:3].tolist()) == pytest.approx(
        np.array(sorted(means.tolist())), rel=1e-5
    )
    spread = np.arange(LENGTH + 1).std() * np.array([1.5, 0.5]) * factor
    assert rows[:, 3:5] == pytest.approx(np.tile(spread, (len(rows), 1)), rel=1e-4)
    assert rows[:, 5] == pytest.approx(
        np.full(len(rows), factor * LENGTH * np.hypot(1.5, 0.5)), rel=1e-5
    )
    assert (rows[:, 6] == np.float32(factor)).all()
    shape = np.tile(np.array([1.0, 0.25]) / (LENGTH * np.hypot(1, 0.25)), LENGTH)
    assert rows[:, INFO : INFO + SHAPE] == pytest.approx(np.tile(shape, (len(rows), 1)), rel=1e-4)
    histograms = rows[:, INFO + SHAPE :]
    assert (
        histograms.shape[1] == 96 + 108 + 96 + 96
        and np.isfinite(histograms).all()
        and (histograms > 0).all()
    )


def test_points_that_leave_are_forgotten():
    scale = Scale(np.float32(1))
    scale.sample(NOISE)
    assert (
        len(scale.advance(NOISE, uniform(0, 400), uniform(0, 400))) == 0 and len(scale.steps) == 0
    )


# The rules


@pytest.mark.parametrize(
    "path, moves, kept",
    [
        # No step is longer than 1 px relative to the camera.
        (*straight((1, 0)), 0),
        (*straight((1.2, 0)), 1),
        (*straight((1.2, 0), moves=(0.9, 0)), 0),
        # The spread is 1.38 on both axes, which is static.
        (*straight((0.3, 0.3), moves=(2, 0)), 0),
        # The spread is 1.84 on one axis.
        (*straight((0.4, 0.0), moves=(2, 0)), 1),
        # The spread is 50.7, then 48.4.
        (*straight((11, 0)), 0),
        (*straight((10.5, 0)), 1),
        # One step of 30 px is the whole path, then one of 19 px.
        (np.r_[[(10, 20)] * 8, [(40, 20)] * 8], [(2, 0)] * LENGTH, 0),
        (np.r_[[(10, 20)] * 8, [(29, 20)] * 8], [(2, 0)] * LENGTH, 1),
    ],
    ids=[
        "with the camera",
        "moves",
        "moves with the camera",
        "static",
        "sways",
        "erratic",
        "fast",
        "leap",
        "short leap",
    ],
)
def test_rules(path, moves, kept):
    assert len(finished(path, moves)) == kept


def test_rules_hold_in_pixels_of_the_full_frame():
    assert [len(finished(*straight((0.3, 0), moves=(0.6, 0)), scale)) for scale in (1, 2)] == [0, 1]


def test_a_row_by_hand():
    path = np.cumsum(np.r_[[(50, 60)], RNG.normal(1, 1, (LENGTH, 2))], axis=0).astype(np.float32)
    moves = RNG.normal(0, 1, (LENGTH, 2)).astype(np.float32)
    (row,) = finished(path, moves, 2)
    full, steps = path.astype(float) * 2, moves.astype(float)
    expected = [
        0,
        *full.mean(axis=0),
        *full.std(axis=0),
        np.hypot(*np.diff(full, axis=0).T).sum(),
        2,
    ]
    assert row[:INFO] == pytest.approx(expected, rel=1e-5)
    assert row[INFO : INFO + SHAPE] == pytest.approx(
        (steps / np.hypot(*steps.T).sum()).ravel(), rel=1e-4
    )
    sums = np.arange(3 * 132).reshape(3, 132) / 5
    # HOG, HOF, MBHx and MBHy, each by temporal cell.
    parts = [sums[:, :32], sums[:, 32:68], sums[:, 68:100], sums[:, 100:]]
    assert row[INFO + SHAPE :] == pytest.approx(
        np.concatenate([part.ravel() for part in parts]), rel=1e-6
    )
