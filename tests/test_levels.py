"""Flow as bytes: quantisation and mirroring."""

import numpy as np
import pytest

from pipeline import levels

# --- quantisation


@pytest.mark.parametrize("bound", [20.0, 5.0])
def test_quantise_rounds_to_255_steps(bound):
    v = np.random.default_rng(0).uniform(-1.5 * bound, 1.5 * bound, (50, 40, 2)).astype(np.float32)
    v64 = v.astype(np.float64)
    expected = np.where(v64 < -bound, 0, np.where(v64 > bound, 255, np.round(255 * (v64 + bound) / (2 * bound))))
    codes = levels.quantise(v, bound)
    assert codes.dtype == np.uint8
    np.testing.assert_array_equal(codes, expected)


@pytest.mark.parametrize("bound", [20.0, 5.0, 15.0, 25.0, 32.0, 50.0, 10.1])
def test_quantise_at_the_edges_and_at_rest(bound):
    v = np.array([-1000, -bound, 0, bound, 1000], np.float32)
    assert levels.quantise(v, bound).tolist() == [0, 0, levels.ZERO, 255, 255]
    assert levels.ZERO == 128


@pytest.mark.parametrize("bound", [20.0, 5.0])
def test_round_trip_is_off_by_half_a_level_at_most(bound):
    v = np.linspace(-bound, bound, 10_001, dtype=np.float32)
    back = levels.dequantise(levels.quantise(v, bound), bound)
    assert back.dtype == np.float32
    assert np.abs(back - v).max() <= bound / 255 + 1e-5  # float32
    codes = np.arange(256, dtype=np.uint8)
    np.testing.assert_array_equal(levels.quantise(levels.dequantise(codes, bound), bound), codes)


# --- mirror


def test_mirror_is_an_involution_and_leaves_its_argument():
    stack = np.random.default_rng(0).integers(0, 256, (6, 4, 5)).astype(np.uint8)
    before = stack.copy()
    np.testing.assert_array_equal(levels.mirror(levels.mirror(stack)), stack)
    np.testing.assert_array_equal(stack, before)


def test_mirror_flips_all_and_negates_x():
    """Planes are x1 y1 x2 y2 ..."""
    stack = np.array([[[0, 100, 255]], [[1, 2, 3]], [[128, 127, 9]], [[4, 5, 6]]], np.uint8)
    assert levels.mirror(stack).tolist() == [[[0, 155, 255]], [[3, 2, 1]], [[246, 128, 127]], [[6, 5, 4]]]


def test_mirror_is_the_flow_of_the_mirrored_motion():
    """A mirrored clip moves by (-u, v) at the mirrored place; the codes agree up to one level, where u is a tie."""
    y, x = np.mgrid[0:20, 0:30].astype(np.float64)
    u, v = 0.7 * x - 9 + np.sin(y), 8 - 0.6 * y + np.cos(x)  # a motion field (u, v) at (x, y)
    u[3], v[4] = 0, 0
    mirrored_u, mirrored_v = -u[:, ::-1], v[:, ::-1]
    found = levels.mirror(np.stack([levels.quantise(u), levels.quantise(v)]))
    expected = np.stack([levels.quantise(mirrored_u), levels.quantise(mirrored_v)])
    difference = found.astype(int) - expected
    assert np.abs(difference[0]).max() == 1 and (difference[0] == 0).mean() > 0.9  # row 3, at rest: 127 for 128
    assert (difference[1] == 0).all()
