"""Paired tests and intervals, against sums by hand, scipy and published tables."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from pipeline.evaluation import comparison


def pairs(only_a: int, only_b: int, both: int = 7, neither: int = 3):
    """Which clips two methods get right, by the four counts of McNemar's table."""
    counts = {(1, 0): only_a, (0, 1): only_b, (1, 1): both, (0, 0): neither}
    table = np.array([pair for pair, count in counts.items() for _ in range(count)], bool)
    return table[:, 0], table[:, 1]


def test_mcnemar_by_hand():
    """1 of 7 discordant clips: 2 (1 + 7) / 2^7 = 1/8."""
    assert comparison.mcnemar(*pairs(1, 6)) == pytest.approx(0.125, abs=1e-15)


@pytest.mark.parametrize(("only_a", "only_b"), [(0, 5), (3, 3), (4, 13), (20, 41), (121, 59)])
def test_mcnemar_is_twice_the_smaller_tail(only_a, only_b):
    count = only_a + only_b
    tail = sum(math.comb(count, k) for k in range(min(only_a, only_b) + 1)) / 2**count
    expected = min(1.0, 2 * tail)
    for pair in (pairs(only_a, only_b), pairs(only_b, only_a)):
        assert comparison.mcnemar(*pair) == pytest.approx(expected, rel=1e-9)


def test_mcnemar_of_a_published_table():
    """Agresti, Categorical Data Analysis (2nd edition, table 10.1): 86 and 150 discordant."""
    p_value = comparison.mcnemar(*pairs(86, 150, 794, 570))
    # z^2 = 17.36 there; the exact value is near that of the chi-squared with continuity.
    assert p_value == pytest.approx(stats.chi2.sf((64 - 1) ** 2 / 236, 1), rel=0.1)


def test_methods_that_never_differ_are_no_evidence():
    assert comparison.mcnemar(*pairs(0, 0)) == 1
    assert comparison.sign_test(np.zeros(5, int)) == 1


@pytest.mark.parametrize(("only_a", "only_b"), [(0, 5), (3, 3), (4, 13), (60, 21), (200, 151)])
def test_sign_test_of_one_training_is_mcnemars(only_a, only_b):
    right_a, right_b = pairs(only_a, only_b)
    gains = right_a.astype(int) - right_b
    assert comparison.sign_test(gains) == pytest.approx(
        comparison.mcnemar(right_a, right_b), rel=1e-9
    )


@pytest.mark.parametrize("gains", [[3], [2, -1], [3, 2, 2, -1, 0, 1], [2, 2, -2, 1, 1, 1, -3, 3]])
def test_sign_test_counts_all_patterns(gains):
    patterns = itertools.product((-1, 1), repeat=len(gains))
    sums = [sum(sign * gain for sign, gain in zip(signs, gains, strict=True)) for signs in patterns]
    expected = sum(abs(value) >= abs(sum(gains)) for value in sums) / len(sums)
    assert comparison.sign_test(np.array(gains)) == pytest.approx(expected, abs=1e-12)


def test_sign_test_is_the_permutation_test_of_scipy():
    gains = np.random.default_rng(3).integers(-2, 4, size=14)
    expected = stats.permutation_test(
        (gains,), np.sum, permutation_type="samples", n_resamples=np.inf
    ).pvalue
    assert comparison.sign_test(gains) == pytest.approx(expected, rel=1e-9)


def test_resampled_means_are_those_of_a_loop():
    """Drawing counts of values is drawing clips: mean and deviation agree with a plain loop."""
    values = np.array([1, 1, 0, 0, 0, -1, 0.5, 0.5, 0, 1])
    rng = np.random.default_rng(8)
    loop = np.array([rng.choice(values, len(values)).mean() for _ in range(20_000)])
    means = comparison.resampled_means(values, seed=1, resamples=20_000)
    assert means.shape == (20_000,)
    assert means.mean() == pytest.approx(values.mean(), abs=0.006)
    assert means.std() == pytest.approx(loop.std(), rel=0.03)
    assert np.allclose(
        np.quantile(means, [0.025, 0.5, 0.975]), np.quantile(loop, [0.025, 0.5, 0.975]), atol=0.051
    )


def test_bootstrap_agrees_with_scipy():
    values = np.random.default_rng(5).choice([-1.0, 0.0, 0.0, 0.5, 1.0], size=150)
    expected = stats.bootstrap(
        (values,), np.mean, method="percentile", n_resamples=20_000, rng=2
    ).confidence_interval
    assert comparison.bootstrap(values, resamples=20_000) == pytest.approx(expected, abs=0.011)


def test_bootstrap_follows_its_seed_and_level():
    values = np.array([1, 0, 0, -1, 1, 1, 0, 1, 0, 0])
    assert comparison.bootstrap(values) == comparison.bootstrap(values)
    low, high = comparison.bootstrap(values, level=0.5)
    assert comparison.bootstrap(values)[0] < low < values.mean() < high
    assert comparison.bootstrap(np.full(9, 0.5)) == (0.5, 0.5)


def test_holm_by_hand():
    """0.01 x 4, 0.02 x 3, then 0.03 x 2, which may not fall below its predecessor; 0.6 x 1."""
    assert comparison.holm([0.03, 0.01, 0.6, 0.02]) == pytest.approx([0.06, 0.04, 0.6, 0.06])
    assert comparison.holm([0.5, 0.9]) == pytest.approx([1, 1])
    assert comparison.holm([0.03]) == [0.03]
    assert comparison.holm([]) == []


def test_holm_keeps_order_and_is_between_raw_and_bonferroni():
    raw = np.random.default_rng(1).random(12) ** 3
    corrected = np.array(comparison.holm(raw))
    assert (corrected >= raw).all()
    assert (corrected <= np.minimum(1, 12 * raw) + 1e-15).all()
    assert (np.diff(corrected[np.argsort(raw)]) >= 0).all()
