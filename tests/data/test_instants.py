"""Where stacks start in a clip, and the periods of training and testing."""

import numpy as np
import pytest

from pipeline.data import sampler
from pipeline.data.instants import (
    centre_range,
    count_stack_starts,
    draw_period,
    draw_snippets,
    eval_periods,
    eval_snippets,
    period_instants,
    scored_instants,
    stack_fields,
)


def test_period_is_five_instants_around_the_centre():
    """Section 5.1: five inputs, Delta = 5 frames apart."""
    assert period_instants(40, 5, 5, 100).tolist() == [30, 35, 40, 45, 50]
    # The synchronous network.
    assert period_instants(40, 0, 5, 100).tolist() == 5 * [40]


def test_period_is_clamped_to_the_clip():
    assert period_instants(3, 5, 5, 100).tolist() == [0, 0, 3, 8, 13]
    assert period_instants(98, 5, 5, 100).tolist() == [88, 93, 98, 100, 100]


def test_stacks_of_the_shortest_clip():
    """UCF101's shortest clip has 29 frames, so 28 fields.

    Stacks of 10 start at 0 .. 18, and a period spans 20.
    """
    assert count_stack_starts(28, 10) == 19
    assert stack_fields(18, 10, 28).tolist() == list(range(18, 28))
    assert stack_fields(20, 10, 28).tolist() == [20, 21, 22, 23, 24, 25, 26, 27, 27, 27]
    assert centre_range(5, 5, 18) == (9, 9)
    assert period_instants(9, 5, 5, 18).tolist() == [0, 4, 9, 14, 18]


def test_periods_of_the_shortest_clip_in_testing():
    """Of 29 frames, 28 fields, all 12 periods are the one around the middle, clamped at its end.

    Every stack is whole.
    """
    last = min(29 - 1, count_stack_starts(29 - 1, 10) - 1)
    centres, instants = eval_periods(last, {"count": 12, "delta": 5, "instants": 5})
    assert last == 18 and centres.tolist() == 12 * [9]
    assert instants.tolist() == 12 * [[0, 4, 9, 14, 18]]
    assert [stack_fields(t, 10, 28).tolist() for t in instants[0]] == [
        list(range(t, t + 10)) for t in instants[0]
    ]
    drawn = [draw_period(sampler.sample_rng(1, sample), 5, 5, last) for sample in range(20)]
    assert {(centre, *period) for centre, period in drawn} == {(9, 0, 4, 9, 14, 18)}


def test_stacks_of_a_clip_shorter_than_a_stack():
    assert count_stack_starts(3, 10) == 1
    assert stack_fields(0, 10, 3).tolist() == [0, 1, *8 * [2]]


@pytest.mark.parametrize("last", [20, 21, 33, 170, 1775])
def test_periods_of_testing_lie_inside_the_clip_and_cover_it(last):
    """Section 6.1: 12 periods of a clip."""
    centres, instants = eval_periods(last, {"count": 12, "delta": 5, "instants": 5})
    assert centres.shape == (12,) and instants.shape == (12, 5)
    # None is clamped.
    assert (instants == centres[:, None] + [-10, -5, 0, 5, 10]).all()
    assert instants.min() == 0 and instants.max() == last
    # They are evenly spaced.
    assert np.abs(centres - (10 + np.arange(12) * (last - 20) / 11)).max() <= 0.5


def test_periods_of_testing_of_short_clips():
    for last in range(20):
        centres, instants = eval_periods(last, {"count": 12, "delta": 5, "instants": 5})
        assert (centres == last // 2).all() and instants.shape == (12, 5)
        assert instants.min() >= 0 and instants.max() <= last


def test_every_training_centre_has_its_whole_period():
    for last in (20, 55):
        low, high = centre_range(5, 5, last)
        assert (low, high) == (10, last - 10)
    assert centre_range(0, 5, 30) == (0, 30)


def drawn_snippets(segments: int, last: int, seeds: int = 300) -> list[set[int]]:
    """The instants that each segment gave in so many draws."""
    drawn = [
        draw_snippets(sampler.sample_rng(seed, 0), segments, last).tolist() for seed in range(seeds)
    ]
    assert all(len(instants) == segments for instants in drawn)
    return [set(of_segment) for of_segment in zip(*drawn, strict=True)]


@pytest.mark.parametrize(
    "segments, last, expected",
    [
        # 11 instants in three parts: 3 2/3 each, so 3, 4 and 4.
        (3, 10, [{0, 1, 2}, {3, 4, 5, 6}, {7, 8, 9, 10}]),
        (3, 5, [{0, 1}, {2, 3}, {4, 5}]),
        (1, 4, [{0, 1, 2, 3, 4}]),
        # As many instants as segments: each once.
        (3, 2, [{0}, {1}, {2}]),
        # Fewer: an empty segment gives the first instant behind it.
        (3, 1, [{0}, {0}, {1}]),
        (3, 0, [{0}, {0}, {0}]),
        (5, 2, [{0}, {0}, {1}, {1}, {2}]),
    ],
)
def test_each_segment_of_a_clip_gives_one_of_its_instants(segments, last, expected):
    """TSN, section 3.1: segments of equal durations, a snippet at random from each."""
    assert drawn_snippets(segments, last) == expected


def test_snippets_are_drawn_evenly_and_independently():
    """Of 12 instants in 3 segments, 4 a segment: 64 combinations, each as often."""
    rng = np.random.default_rng(0)
    drawn = np.stack([draw_snippets(rng, 3, 11) for _ in range(6400)])
    numbers = (drawn - [0, 4, 8]) @ [16, 4, 1]
    counts = np.bincount(numbers, minlength=64)
    # Chi-squared with 63 degrees of freedom exceeds 103.4 once in a thousand times.
    assert len(counts) == 64 and ((counts - 100) ** 2 / 100).sum() < 103.4


@pytest.mark.parametrize(
    "count, last, expected",
    [
        (5, 49, [5, 15, 25, 35, 45]),
        (3, 10, [1, 5, 9]),
        (1, 10, [5]),
        (4, 3, [0, 1, 2, 3]),
        # Fewer instants than snippets repeat: each of 2 instants has half of 5 snippets.
        (5, 1, [0, 0, 1, 1, 1]),
        (3, 0, [0, 0, 0]),
    ],
)
def test_test_snippets_are_the_middles_of_equal_parts(count, last, expected):
    assert eval_snippets(count, last).tolist() == expected


@pytest.mark.parametrize("last", [24, 25, 40, 1775])
def test_25_snippets_are_evenly_spaced_over_a_clip(last):
    """TSN, section 4.2."""
    steps = np.diff(eval_snippets(25, last))
    assert set(steps) <= {(last + 1) // 25, (last + 1) // 25 + 1}
    assert eval_snippets(25, last)[0] == (last + 1) // 50
    assert last - eval_snippets(25, last)[-1] <= (last + 1) / 50


def test_a_clip_is_scored_at_periods_or_at_snippets():
    period = {"count": 12, "instants": 5, "delta": 5}
    for found, expected in zip(scored_instants(33, period), eval_periods(33, period), strict=True):
        assert np.array_equal(found, expected)
    centres, instants = scored_instants(10, period, 3)
    assert centres.tolist() == [1, 5, 9] and instants.tolist() == [[1], [5], [9]]
