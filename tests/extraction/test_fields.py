"""Flow between frames that are several apart."""

import numpy as np
import pytest
from flow_cases import texture

from pipeline.extraction.fields import fields
from pipeline.flow import tvl1

# More frames than the solver takes in a batch (8) and over.
FRAMES = [texture(40, 48, 0.8 * t, 0.3 * t) for t in range(14)]


def test_neighbours_have_the_flow_of_the_store():
    found = list(fields(iter(FRAMES), 1, False, "cpu"))
    assert np.array_equal(found, list(tvl1.fields(FRAMES, backend="cpu")))


@pytest.mark.parametrize("step", [2, 3, 9])
def test_every_frame_has_flow_to_the_one_that_is_a_step_away(step):
    found = list(fields(iter(FRAMES), step, False, "cpu"))
    assert len(found) == 14 - step
    for t, field in enumerate(found):
        assert np.array_equal(field, tvl1.tvl1(FRAMES[t], FRAMES[t + step], backend="cpu"))


@pytest.mark.parametrize("step, starts", [(3, [0, 3, 6, 9]), (13, [0]), (14, [])])
def test_frames_between_the_steps_are_left_out(step, starts):
    found = list(fields(iter(FRAMES), step, True, "cpu"))
    assert len(found) == len(starts)
    for t, field in zip(starts, found, strict=True):
        assert np.array_equal(field, tvl1.tvl1(FRAMES[t], FRAMES[t + step], backend="cpu"))


def test_too_few_frames_have_none():
    assert list(fields(FRAMES[:2], 2, False, "cpu")) == []
    assert list(fields([], 1, False, "cpu")) == []
