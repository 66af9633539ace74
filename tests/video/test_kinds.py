"""Every kind of healthy video decodes with every ffmpeg, frame by frame."""

import numpy as np
import pytest
from video_cases import COUNT, HEIGHT, KINDS, WIDTH, waves

from pipeline.video import ffmpeg
from pipeline.video.decode import decode, probe

FRAMES = waves(COUNT, HEIGHT, WIDTH)


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """The folder of the videos, each made by the locked ffmpeg when it is first asked for."""
    folder, maker = tmp_path_factory.mktemp("kinds"), ffmpeg.executable()

    def make(kind):
        if not (folder / kind.name).exists():
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(ffmpeg, "executable", lambda: maker)
                kind.make(folder, FRAMES)
        return folder / kind.name

    return make


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_every_frame_comes_once_in_order(made, each_ffmpeg, kind):
    if each_ffmpeg < kind.since:
        pytest.skip(f"ffmpeg reads {kind.name} since {kind.since[0]}.{kind.since[1]}")
    path = made(kind)
    found = np.stack(list(decode(path)))
    assert len(found) == COUNT
    if kind.exact:
        assert (found == FRAMES).all()
    elif kind.coloured:
        # Blue tells the number of a frame: it grows by 8 levels. Of 15 bits a colour has 5: half a
        # step is 255 / 31 / 2 = 4.11 levels, and spreading 5 bits to 8 rounds by 0.5.
        nearest = 4.62 if kind.name == "15bit.avi" else 4
        difference = found.mean(axis=(1, 2)) - FRAMES.mean(axis=(1, 2))
        assert np.abs(difference[:, 2]).max() < nearest and np.abs(difference).max() < 8
    else:
        weights = np.array([0.299, 0.587, 0.114])
        expected = FRAMES.mean(axis=(1, 2)) @ weights
        assert np.abs(found.mean(axis=(1, 2, 3)) - expected).max() < 4
    height, width = found.shape[1:3]
    assert probe(path) == {"frames": COUNT, "width": width, "height": height}
