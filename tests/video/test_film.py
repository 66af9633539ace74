"""Frames written as MP4, read back."""

import contextlib
import os

import numpy as np
import pytest

from pipeline.errors import MachineError, PipelineError
from pipeline.video import film as film_module
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


@pytest.mark.parametrize("name", ["a:b %d.mp4", "two\nlines.mp4", 'it\'s "one"; $(x).mp4', "film"])
def test_files_may_have_any_name(tmp_path, name):
    with film(tmp_path / name, 64, 48, 25) as append:
        append(np.zeros((48, 64, 3), np.uint8))
    assert os.listdir(tmp_path) == [name]
    assert len(list(decode(tmp_path / name))) == 1


@pytest.fixture
def no_ffmpeg(tmp_path, monkeypatch):
    """An ffmpeg that was removed after it was found."""
    monkeypatch.setattr(film_module, "executable", lambda: str(tmp_path / "ffmpeg"))


@pytest.mark.usefixtures("no_ffmpeg")
@pytest.mark.parametrize("coder", ["known", "asked for"])
def test_an_ffmpeg_that_cannot_be_started_is_the_machines_fault(tmp_path, monkeypatch, coder):
    """Whichever of its two calls comes first."""
    if coder == "known":
        monkeypatch.setattr(film_module, "_coder", lambda: film_module.USUAL)
    else:
        film_module._coder.cache_clear()
    with (
        pytest.raises(MachineError, match="/ffmpeg: ffmpeg cannot be started .No such file"),
        film(tmp_path / "film.mp4", 64, 48, 25),
    ):
        pytest.fail("nothing can be written")


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


@pytest.mark.parametrize("folder", ["", "none"])
@pytest.mark.parametrize("fails", [False, True])
def test_no_file_stays_open(tmp_path, folder, fails):
    """However it ends: well, by ffmpeg, by the block, or by both."""
    before = len(os.listdir("/proc/self/fd"))
    with (
        contextlib.suppress(PipelineError, KeyError),
        film(tmp_path / folder / "film.mp4", 64, 48, 25) as append,
    ):
        append(np.zeros((48, 64, 3), np.uint8))
        if fails:
            raise KeyError
    assert len(os.listdir("/proc/self/fd")) == before
