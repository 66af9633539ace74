"""Frames written as MP4, read back."""

import numpy as np
import pytest

from pipeline.errors import PipelineError
from pipeline.video.decode import decode
from pipeline.video.film import film
from pipeline.video.rate import frame_rate


def test_frames_are_read_back(tmp_path):
    """Flat colours, each of which stays nearly what it is."""
    path = tmp_path / "-film \u00e9.mp4"
    greys = range(20, 240, 20)
    with film(path, 64, 48, 12.5) as append:
        for grey in greys:
            append(np.full((48, 64, 3), grey, np.uint8))
    frames = list(decode(path))
    assert [frame.shape for frame in frames] == [(48, 64, 3)] * len(greys)
    for frame, grey in zip(frames, greys, strict=True):
        assert abs(frame.astype(int) - grey).max() <= 3
    assert frame_rate(path) == 12.5


def test_what_ffmpeg_says_is_told(tmp_path):
    """There is no such folder."""
    with (
        pytest.raises(PipelineError, match="ffmpeg could not write the film: .+"),
        film(tmp_path / "none" / "film.mp4", 64, 48, 25) as append,
    ):
        for _ in range(100):
            append(np.zeros((48, 64, 3), np.uint8))


def test_an_error_of_the_block_ends_ffmpeg(tmp_path):
    with pytest.raises(KeyError), film(tmp_path / "film.mp4", 64, 48, 25) as append:
        append(np.zeros((48, 64, 3), np.uint8))
        raise KeyError
