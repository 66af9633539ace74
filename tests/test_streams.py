"""Both streams and what they are made of."""

from pipeline.streams import channels


def test_channels():
    assert channels("appearance", 10) == 3
    assert [channels("motion", stack) for stack in (10, 5)] == [20, 10]
