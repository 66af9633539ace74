"""Two methods on the same test clips: intervals of their difference, and paired tests.

All take what is right clip by clip, since both methods see the same clips and mostly fail on the
same ones. Test clips count as independent of one another.
"""

from collections.abc import Sequence

import numpy as np
from scipy.stats import binomtest

RESAMPLES = 10_000


def mcnemar(right_a: np.ndarray, right_b: np.ndarray) -> float:
    """The two-sided p value of McNemar's exact test (1947) that two methods are equally good.

    `right_a` and `right_b` (clips,) say which clips each gets right. Under the hypothesis a clip
    that only one of them gets right is either's with probability 1/2.
    """
    only_a = int((right_a & ~right_b).sum())
    only_b = int((right_b & ~right_a).sum())
    return float(binomtest(only_a, only_a + only_b).pvalue) if only_a + only_b else 1.0


def sign_test(gains: np.ndarray) -> float:
    """The exact two-sided p value of the hypothesis that the signs of `gains` are random.

    `gains` (clips,) are integers: how many trainings more get a clip right by one method than by
    the other. Under the hypothesis the methods are interchangeable on every clip, for all its
    trainings at once: each sign pattern is equally likely. The value is the share of patterns whose
    sum is at least as far from 0 as the one seen. With one training it is McNemar's.
    """
    sizes = np.abs(gains[gains != 0]).astype(int)
    # The probabilities of the sums -total .. total, one clip's sign after the other.
    probabilities = np.ones(1)
    for size in sizes:
        step = np.zeros(2 * size + 1)
        step[[0, -1]] = 0.5
        probabilities = np.convolve(probabilities, step)
    sums = np.arange(len(probabilities)) - sizes.sum()
    extreme = np.abs(sums) >= abs(int(gains.sum()))
    return min(1.0, float(probabilities[extreme].sum()))


def resampled_means(values: np.ndarray, seed: int, resamples: int = RESAMPLES) -> np.ndarray:
    """The means (resamples,) of `values` (clips,) over clips that are drawn with replacement."""
    # There are few distinct values, and a draw is how often each of them comes.
    distinct, counts = np.unique(values, return_counts=True)
    drawn = np.random.default_rng(seed).multinomial(
        len(values), counts / len(values), size=resamples
    )
    return drawn @ distinct / len(values)


def percentiles(values: np.ndarray, level: float = 0.95) -> tuple[float, float]:
    """The interval between which the middle `level` of `values` lie."""
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def bootstrap(
    values: np.ndarray, seed: int = 1, resamples: int = RESAMPLES, level: float = 0.95
) -> tuple[float, float]:
    """The percentile bootstrap interval (Efron, 1979) of the mean of `values` (clips,).

    Of the difference of two methods they are the differences clip by clip, each the mean over the
    trainings that it was tested by: clips are drawn, trainings are not.
    """
    return percentiles(resampled_means(values, seed, resamples), level)


def holm(p_values: Sequence[float]) -> list[float]:
    """P values corrected for their number by Holm (1979), in the order given."""
    order = np.argsort(p_values, kind="stable")
    factors = len(p_values) - np.arange(len(p_values))
    corrected = np.minimum(1, np.maximum.accumulate(np.asarray(p_values)[order] * factors))
    result = np.empty(len(p_values))
    result[order] = corrected
    return result.tolist()
