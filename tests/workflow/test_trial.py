"""A few clips and a training step, timed."""

import zlib
from statistics import mean

import numpy as np
import pytest
from config_cases import CONFIG
from workspace import TINY

from pipeline.config import settings
from pipeline.datasets import demo, render
from pipeline.errors import MachineError
from pipeline.models import factory
from pipeline.video import ffmpeg
from pipeline.video.decode import decode
from pipeline.video.encode import encode
from pipeline.workflow import trial


@pytest.fixture
def own() -> dict:
    """The settings of a tiny set."""
    return settings.overlay(settings.for_set(CONFIG, "ucf101"), TINY)


@pytest.fixture(scope="module")
def videos(tmp_path_factory) -> list[str]:
    """Two clips of 18 and 30 frames, 80 x 60."""
    folder = tmp_path_factory.mktemp("videos")
    ids = list(demo.clip_set("mini", groups=3, clips=1).clips)[:2]
    for clip, frames in zip(ids, (18, 30), strict=True):
        path = folder / f"{frames}.avi"
        encode(path, render.render(clip, seed=1, frames=frames), render.FPS)
    return [str(folder / "18.avi"), str(folder / "30.avi")]


def test_clips_are_decoded_stored_and_followed(videos, own):
    found = trial.of_clips([(path, False) for path in videos], own)
    assert found.frames == dict(zip(videos, (18, 30), strict=True)) and not found.unfinished
    assert found.sizes == {(80, 60)} and found.problems == []
    assert min(found.decoding, found.pair, found.trajectories) > 0
    # Of the frames that are kept, the last 6, each a chunk of gzip 1.
    taken = [frame for path in videos for frame in list(decode(path))[:24][-6:]]
    packed = mean(len(zlib.compress(frame.tobytes(), 1)) for frame in taken)
    assert found.frame_bytes == pytest.approx(packed, rel=0.05)
    # lz4 of two planes of bytes, with a head and checksum at the most as large as they are.
    assert 0 < found.field_bytes < 2 * 80 * 60 + 30


def test_clips_that_cannot_be_used_are_named(videos, own, tmp_path):
    text, one = tmp_path / "text.avi", tmp_path / "one.avi"
    text.write_text("no video")
    encode(one, np.zeros((1, 60, 80, 3), np.uint8), 25)
    own["idt"]["enabled"] = False
    chosen = [(str(path), False) for path in (text, one, videos[0])]
    found = trial.of_clips(chosen, own)
    assert list(found.frames) == [videos[0]] and found.trajectories is None
    first, second = found.problems
    assert first.startswith(f"{text}: no frame can be decoded")
    assert second.startswith(f"{one}: 1 frames of 80 x 60 pixels; optical flow needs two")


def test_without_a_clip_that_decodes_nothing_is_known(own):
    found = trial.of_clips([("none.avi", False)], own)
    assert found.decoding is None and found.pair is None and len(found.problems) == 1


def test_long_clips_are_not_decoded_to_their_end(videos, own, monkeypatch):
    monkeypatch.setattr(trial, "DECODING", -1.0)
    found = trial.of_clips([(path, False) for path in videos[::-1]], own)
    assert found.unfinished and found.frames == {videos[1]: trial.KEPT}


def test_a_machine_that_fails_is_no_problem_of_a_clip(videos, own, monkeypatch):
    monkeypatch.setattr(ffmpeg, "executable", lambda: "/none/ffmpeg")
    ffmpeg.version.cache_clear()
    try:
        with pytest.raises(MachineError, match="ffmpeg cannot be started"):
            trial.of_clips([(videos[0], False)], own)
    finally:
        ffmpeg.version.cache_clear()


@pytest.mark.parametrize("kind", ["co2fi", "baseline"])
def test_networks_are_those_of_the_settings(own, kind):
    own["network"]["kind"] = kind
    found = trial.of_networks(own, 8)
    assert min(found.step, found.forward, found.teacher_step, found.fusion) >= 0

    def parameters(net) -> int:
        return sum(parameter.numel() for parameter in net.parameters())

    assert found.parameters == parameters(factory.stream_net(own, "motion", 8))
    assert found.teacher_parameters == parameters(factory.teacher(own, "motion", 8))
    assert found.features == factory.stream_net(own, "motion", 8).features
