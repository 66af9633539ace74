"""Flow as bytes: quantisation and mirroring."""

import numpy as np
import pytest

from pipeline.flow import levels


@pytest.mark.parametrize("bound", [20.0, 5.0])
def test_quantise_rounds_to_255_steps(bound):
    v = np.random.default_rng(0).uniform(-1.5 * bound, 1.5 * bound, (50, 40, 2)).astype(np.float32)
    v64 = v.astype(np.float64)
    expected = np.where(
        v64 < -bound, 0, np.where(v64 > bound, 255, np.round(255 * (v64 + bound) / (2 * bound)))
    )
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
    # The small addition is for rounding to float32.
    assert np.abs(back - v).max() <= bound / 255 + 1e-5
    codes = np.arange(256, dtype=np.uint8)
    np.testing.assert_array_equal(levels.quantise(levels.dequantise(codes, bound), bound), codes)


def test_negated_is_the_opposite_motion():
    """Up to one level, where no motion, 128, becomes 127."""
    flow = np.linspace(-20, 20, 401)
    codes = levels.quantise(flow)
    difference = levels.negated(codes).astype(int) - levels.quantise(-flow)
    assert np.abs(difference).max() <= 1 and (difference == 0).mean() > 0.9
    assert levels.negated(np.array([0, 100, 128, 255], np.uint8)).tolist() == [255, 155, 127, 0]
