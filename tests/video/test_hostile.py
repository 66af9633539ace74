"""Hostile files, files that cost too much, and an ffmpeg that is killed."""

import subprocess

import pytest
from video_cases import make_video, waves

from pipeline.errors import MachineError, PipelineError
from pipeline.video import ffmpeg
from pipeline.video.decode import Limits, decode, probe
from pipeline.video.encode import encode


@pytest.fixture
def clip(tmp_path):
    encode(tmp_path / "clip.avi", waves(12, 48, 64), 25)
    return tmp_path / "clip.avi"


@pytest.mark.parametrize(
    "text",
    [
        "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nclip.avi\n#EXT-X-ENDLIST\n",
        "ffconcat version 1.0\nfile clip.avi\n",
        "hello\n" * 1000,
    ],
)
@pytest.mark.parametrize("name", ["a.avi", "a.m3u8", "a.txt", "a.ffconcat"])
def test_playlists_and_text_are_no_videos(clip, text, name, each_ffmpeg):
    path = clip.parent / name
    path.write_text(text)
    with pytest.raises(PipelineError, match="no video"):
        probe(path)


def test_limits_name_their_keys(clip):
    for limits, key in ((Limits(pixels=1000), "pixels"), (Limits(frames=11), "frames")):
        with pytest.raises(PipelineError, match=rf"limits\.{key} in the config"):
            probe(clip, limits=limits)
    assert probe(clip, limits=Limits(pixels=48 * 64, frames=12))["frames"] == 12


@pytest.mark.parametrize("size", ["12x12", "400x4"])
def test_small_frames_are_refused_with_their_size(tmp_path, size):
    path = make_video(tmp_path / "clip.mkv", "-c:v", "ffv1", "-s", size)
    with pytest.raises(PipelineError, match=f"{size.replace('x', ' x ')} pixels.* 16 at least"):
        probe(path)


@pytest.mark.parametrize("ending", ["kill -KILL $$", "kill -TERM $$", "exit 137", "exit 244"])
@pytest.mark.parametrize("begin", ["", '{real} "$@" | head -c 20000; '])
def test_a_killed_ffmpeg_says_nothing_about_the_clip(clip, monkeypatch, begin, ending):
    ffmpeg.version()
    fake = clip.parent / "ffmpeg"
    fake.write_text(f"#!/bin/bash\n{begin.format(real=ffmpeg.executable())}{ending}\n")
    fake.chmod(0o755)
    monkeypatch.setattr(ffmpeg, "executable", lambda: str(fake))
    with pytest.raises(MachineError, match="clip.avi"):
        probe(clip)
    with pytest.raises(MachineError):
        list(decode(clip, accept_damage=True))


def test_what_passes_is_not_the_files(clip, monkeypatch):
    ffmpeg.version()
    fake = clip.parent / "ffmpeg"
    fake.write_text(
        f"#!/bin/bash\nif mkdir {clip.parent}/once 2>/dev/null; then exit 1; fi\n"
        f'exec {ffmpeg.executable()} "$@"\n'
    )
    fake.chmod(0o755)
    monkeypatch.setattr(ffmpeg, "executable", lambda: str(fake))
    with pytest.raises(MachineError, match="twice and differently"):
        probe(clip)


def test_a_size_that_changes_and_an_avi_of_a_pipe(tmp_path, each_ffmpeg):
    command = [ffmpeg.executable(), "-v", "error", "-f", "lavfi", "-i"]
    first, second, avi = (
        subprocess.run(
            [*command, f"testsrc=size={size}:rate=24", "-frames:v", "10", *form, "pipe:"],
            check=True,
            capture_output=True,
        ).stdout
        for size, form in (
            ("96x64", ["-c:v", "mpeg4", "-f", "m4v"]),
            ("160x96", ["-c:v", "mpeg4", "-f", "m4v"]),
            ("96x64", ["-c:v", "mpeg4", "-f", "avi"]),
        )
    )
    (tmp_path / "two.m4v").write_bytes(first + second)
    assert {frame.shape for frame in decode(tmp_path / "two.m4v")} == {(64, 96, 3)}
    (tmp_path / "pipe.avi").write_bytes(avi)
    assert probe(tmp_path / "pipe.avi") == {"frames": 10, "width": 96, "height": 64}
