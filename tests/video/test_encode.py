"""Encoding: what is written can be decoded, is repeatable, and fails with a reason."""

import numpy as np
import pytest
from video_cases import waves

from pipeline.errors import PipelineError
from pipeline.video.decode import decode
from pipeline.video.encode import encode


def test_encode_and_decode_are_close(tmp_path):
    frames = waves(8, 60, 80)
    encode(tmp_path / "clip.avi", frames, 25)
    decoded = np.stack(list(decode(tmp_path / "clip.avi")))
    assert decoded.shape == frames.shape and np.abs(decoded.astype(int) - frames).mean() < 3


def test_encoding_is_repeatable(tmp_path):
    for name in ("a.avi", "b.avi"):
        encode(tmp_path / name, waves(4, 60, 80), 25)
    assert (tmp_path / "a.avi").read_bytes() == (tmp_path / "b.avi").read_bytes()


def test_encode_says_where_it_could_not_write(tmp_path):
    with pytest.raises(PipelineError, match="none/clip.avi"):
        encode(tmp_path / "none" / "clip.avi", waves(2, 32, 32), 25)
