"""The colours of flow, against the benchmark's own code."""

import colorsys

import numpy as np
import pytest

from pipeline.report.flow_colours import colour, wheel


def middlebury(x, y):
    """The benchmark's own code for a displacement of length 1 or less: 55 colours, interpolated."""
    colours = []
    for count, start, end in (
        (15, (255, 0, 0), (255, 255, 0)),
        (6, (255, 255, 0), (0, 255, 0)),
        (4, (0, 255, 0), (0, 255, 255)),
        (11, (0, 255, 255), (0, 0, 255)),
        (13, (0, 0, 255), (255, 0, 255)),
        (6, (255, 0, 255), (255, 0, 0)),
    ):
        colours += [np.array(start) + (np.array(end) - start) * i / count for i in range(count)]
    place = (np.arctan2(-y, -x) / np.pi + 1) / 2 * 54
    low = int(place)
    full = (1 - (place - low)) * colours[low] / 255 + (place - low) * colours[(low + 1) % 55] / 255
    return 1 - np.hypot(x, y) * (1 - full)


def hue(x, y):
    return colorsys.rgb_to_hsv(*colour(np.array([[[x]], [[y]]], float), 1.0)[0, 0])[0]


def test_colours_are_those_of_the_middlebury_benchmark():
    rng = np.random.default_rng(0)
    field = rng.uniform(-0.7, 0.7, (2, 10, 10))
    expected = np.array([[middlebury(*field[:, i, j]) for j in range(10)] for i in range(10)])
    # The benchmark spreads 55 colours over 54 steps: around the seam its hues are up to 1/55 of the
    # circle off.
    assert np.abs(colour(field, 1.0) - expected).max() < 0.13
    assert np.abs(colour(field, 1.0) - expected).mean() < 0.02


def test_no_motion_is_white_and_colour_fills_with_length():
    still, half, full, more = colour(np.array([[[0, 1, 2, 9]], [[0, 0, 0, 0]]], float), 2.0)[0]
    assert (still == 1).all()
    # Right is red.
    assert np.allclose([half, full, more], [[1, 0.5, 0.5], [1, 0, 0], [1, 0, 0]])


@pytest.mark.parametrize("angle", np.arange(0, 180, 15))
def test_opposite_directions_have_opposite_hues(angle):
    x, y = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    apart = abs(hue(x, y) - hue(-x, -y))
    # The circle of colours is uneven: six steps of unequal parts.
    assert 0.33 < apart < 0.67


def test_wheel_shows_each_direction_where_it_points():
    size, drawn = 101, wheel(101)
    for x, y in ((1, 0), (-1, 0), (0, 1), (0, -1), (0.6, 0.6), (-0.5, 0.2), (0, 0)):
        # +y is down, as rows go.
        column, row = round((x + 1) / 2 * (size - 1)), round((y + 1) / 2 * (size - 1))
        assert np.allclose(
            drawn[row, column],
            colour(np.array([[[x]], [[y]]], float), 1.0)[0, 0],
            atol=1e-6,
        )
    # Outside of the circle it is white.
    assert (drawn[0, 0] == 1).all()
