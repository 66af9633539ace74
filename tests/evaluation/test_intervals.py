"""Confidence intervals, against scipy's."""

import pytest
from scipy.stats import binomtest

from pipeline.evaluation.intervals import wilson


@pytest.mark.parametrize("right, clips", [(0, 5), (5, 5), (13, 64), (3000, 3783), (1, 2)])
def test_interval_is_wilsons(right, clips):
    expected = binomtest(right, clips).proportion_ci(0.95, method="wilson")
    assert wilson(right / clips, clips) == pytest.approx((expected.low, expected.high), abs=1e-4)
