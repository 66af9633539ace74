"""The ffmpeg program: the option that depends on its version, and what it does."""

import numpy as np
import pytest
from video_cases import make_video

from pipeline.video import ffmpeg
from pipeline.video.decode import decode


@pytest.mark.parametrize(
    "version, option",
    [
        ("4.4.2-0ubuntu0.22.04.1", "vsync"),
        ("n4.4", "vsync"),
        ("5.0", "vsync"),
        ("5.1", "fps_mode"),
        ("7.0.2-static", "fps_mode"),
        ("n7.1", "fps_mode"),
        ("N-117000-g1234567", "fps_mode"),
    ],
)
def test_the_option_has_the_name_that_the_version_knows(monkeypatch, version, option):
    monkeypatch.setattr(ffmpeg, "version", lambda: version)
    assert ffmpeg.passthrough_option() == {option: "passthrough"}


@pytest.mark.parametrize(
    "timing",
    ["N+400*gte(N\\,10)", "floor(N/2)*2", "if(eq(N\\,10)\\,9\\,N)"],
    ids=["a gap", "doubled", "one doubled"],
)
@pytest.mark.parametrize("ending", ["avi", "mkv", "mp4"])
def test_each_coded_frame_comes_once_whatever_the_time_stamps(tmp_path, timing, ending):
    plain = make_video(tmp_path / f"plain.{ending}", "-c:v", "mpeg4")
    timed = make_video(
        tmp_path / f"timed.{ending}", "-c:v", "mpeg4", "-bsf:v", f"setts=ts={timing}"
    )
    for side in (None, 32):
        expected, found = (np.stack(list(decode(path, side))) for path in (plain, timed))
        assert len(expected) == 20 and found.shape == expected.shape and (found == expected).all()
