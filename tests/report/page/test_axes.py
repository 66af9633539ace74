"""Axes of the page's charts: round ticks, and places in per cent."""

import pytest

from pipeline.report.page.axes import Axis, axis, path


def test_places_are_in_per_cent_and_end_at_the_ends():
    scale = Axis(0.5, 1.0, [])
    assert [scale.place(value) for value in (0.5, 0.75, 1.0, 0.2, 3.0)] == [0, 50, 100, 0, 100]
    assert Axis(1, 1, []).place(1) == 50


@pytest.mark.parametrize(
    "values, inside, ticks",
    [
        # 0.48 to 0.82 with room is 0.4596 to 0.8404: steps of 0.1.
        ([0.48, 0.82], (0, 1), [0.5, 0.6, 0.7, 0.8]),
        ([0, 1], (0, 1), [0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        # 0 to 300 ends at 300: steps of 50 make six parts.
        ([0, 300], (0, 300), [0, 50, 100, 150, 200, 250, 300]),
        ([-1.0, 1.0], None, [-1.0, -0.5, 0.0, 0.5, 1.0]),
    ],
)
def test_ticks_are_round_and_inside(values, inside, ticks):
    found = axis(values, 6, inside)
    assert found.ticks == pytest.approx(ticks)
    assert found.low <= min(values) and found.high >= max(values)


def test_one_value_has_an_axis_around_it():
    found = axis([0.5])
    assert found.low < 0.5 < found.high and found.ticks
    assert axis([0.0], 5, (0, 1)).low == 0


def test_a_path_points_up():
    assert path([(0, 0), (5, 1), (10, 0.5)], Axis(0, 10, []), Axis(0, 1, [])) == (
        "M0 100L50 0L100 50"
    )
