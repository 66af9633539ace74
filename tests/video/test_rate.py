"""Rates of videos, as made and as genuine clips have them."""

import numpy as np
import pytest

from pipeline.video.encode import encode
from pipeline.video.rate import USUAL, frame_rate


@pytest.mark.parametrize("rate", [1, 10, 29.97, 60, 1000])
def test_rates_are_those_that_were_written(tmp_path, rate):
    encode(tmp_path / "clip.avi", np.zeros((5, 32, 32, 3), np.uint8), rate)
    assert frame_rate(tmp_path / "clip.avi") == pytest.approx(rate, abs=0.01)


@pytest.mark.parametrize(
    ("path", "rate"),
    [
        ("ucf101_6class/videos/Archery/v_Archery_g08_c01.avi", (25, 29.97)),
        ("weizmann/videos/wave1/lena_wave1.avi", (25,)),
    ],
)
def test_rates_of_genuine_clips(shared, path, rate):
    assert frame_rate(shared / path) in rate


def test_what_has_no_rate_has_the_usual(tmp_path):
    (tmp_path / "text.avi").write_text("25 fps")
    assert frame_rate(tmp_path / "text.avi") == USUAL
    assert frame_rate(tmp_path / "none.avi") == USUAL
