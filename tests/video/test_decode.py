"""Decoding: real clips, frame counts, scaling, awkward names, damage."""

import csv
import signal
import subprocess
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import psutil
import pytest
from video_cases import make_video, waves

from pipeline.errors import PipelineError
from pipeline.video import ffmpeg
from pipeline.video.decode import decode, probe
from pipeline.video.encode import encode

# A real clip of 83 frames.
CLIP = "ucf101_6class/videos/Archery/v_Archery_g09_c02.avi"
SOURCES = ("hmdb51_samples/", "ucf101_6class/videos/", "weizmann/videos/")


def refusal(path: Path, **options) -> str:
    """The one sentence of the error that decoding must raise."""
    with pytest.raises(PipelineError) as caught:
        probe(path, **options)
    message = str(caught.value)
    assert message.startswith(f"{path}: ") and "\n" not in message
    return message


@contextmanager
def at_most(seconds: int):
    """Fail what hangs instead of hanging with it."""

    def stop(*_):
        raise TimeoutError(f"not done after {seconds} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


# Real clips


def test_frame_counts_of_real_clips(shared):
    with open(shared / "MANIFEST.tsv", newline="") as file:
        rows = [row for row in csv.DictReader(file, delimiter="\t") if row["path"].endswith(".avi")]
    # Every clip of the first source, every 34th of the second, every 14th of the third.
    chosen = [
        row
        for source, step in zip(SOURCES, (1, 34, 14), strict=True)
        for row in [row for row in rows if row["path"].startswith(source)][::step]
    ]
    assert len(chosen) == 10 + 6 + 5
    assert {"(", "+", "!"} <= set("".join(row["path"] for row in chosen))
    for row in chosen:
        found = probe(shared / row["path"])
        assert found == {key: int(row[key]) for key in ("frames", "width", "height")}, row["path"]


def test_frames_are_those_of_another_decoder(shared):
    path = shared / CLIP
    reader = cv2.VideoCapture(str(path))
    count = 0
    for frame in decode(path):
        ours, theirs = frame.astype(int), reader.read()[1][..., ::-1].astype(int)
        # swscale rounds chroma in more than one way.
        assert np.abs(ours - theirs).mean() < 1.5
        count += 1
    assert count == 83 and not reader.read()[0]


def test_decoding_is_repeatable(shared):
    first, second = (np.stack(list(decode(shared / CLIP, 128))) for _ in range(2))
    assert (first == second).all()


# Frames and sizes


@pytest.mark.parametrize("height, width", [(480, 640), (640, 480), (300, 301), (1001, 257)])
def test_large_videos_are_scaled_down_each_frame_once(tmp_path, height, width):
    path = tmp_path / "large.avi"
    encode(path, waves(12, height, width), 25)
    scaled = np.stack(list(decode(path, 256)))
    assert scaled.shape[0] == 12 and min(scaled.shape[1:3]) == 256
    long_side = 256 * max(height, width) / min(height, width)
    assert max(scaled.shape[1:3]) == pytest.approx(long_side, abs=2)
    assert np.diff(scaled[..., 2].mean(axis=(1, 2))) == pytest.approx(8, abs=1.5)
    for ours, frame in zip(scaled, decode(path), strict=True):
        expected = cv2.resize(frame, ours.shape[1::-1], interpolation=cv2.INTER_AREA).astype(int)
        assert np.abs(ours - expected).mean() < 4


@pytest.mark.parametrize(
    "height, width", [(120, 160), (64, 48), (256, 340), (255, 255), (61, 81), (341, 256)]
)
def test_small_videos_are_left_alone(tmp_path, height, width):
    path = tmp_path / "small.avi"
    encode(path, waves(3, height, width), 25)
    plain, filtered = (np.stack(list(decode(path, side))).astype(int) for side in (None, 256))
    assert plain.shape == (3, height, width, 3) and filtered.shape == plain.shape
    # The difference is no more than the rounding of chroma.
    assert np.abs(filtered - plain).mean() < 0.5
    assert probe(path) == {"frames": 3, "width": width, "height": height}


@pytest.mark.parametrize("pixels", ["yuv420p10le", "gray16le", "gray", "bgra"])
def test_other_pixel_formats_become_rgb(tmp_path, pixels):
    path = make_video(tmp_path / "clip.mkv", "-c:v", "ffv1", "-pix_fmt", pixels)
    with at_most(5):
        frames = list(decode(path))
    assert len(frames) == 20 and frames[0].shape == (64, 96, 3) and frames[0].dtype == np.uint8


def test_early_end_leaves_no_process(tmp_path):
    path = tmp_path / "clip.avi"
    encode(path, waves(20, 240, 320), 25)
    # Other tests may have left processes of their own, such as multiprocessing's resource tracker.
    before = child_processes()
    frames = decode(path)
    next(frames)
    assert len(child_processes() - before) == 1
    frames.close()
    assert child_processes() == before


def child_processes() -> set[int]:
    """Ids of this process's children, those among them that ended and were not waited for."""
    return {process.pid for process in psutil.Process().children()}


# Names

NAMES = [
    "-start.avi",
    "a:b.avi",
    "http:a.avi",
    "100%d.avi",
    'it\'s "q".avi',
    "a b.avi",
    "[x]+!.avi",
    "$(touch x).avi",
    "back\\slash.avi",
    "\u00fcn\u00ef.avi",
    "a,b;c='d'.avi",
    "concat:a|b",
]


@pytest.mark.parametrize("name", NAMES)
def test_names_mean_nothing(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    frames = waves(3, 48, 64)
    encode(name, frames, 25)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    for path in (name, tmp_path / name):
        assert len(list(decode(path, 32))) == 3
    assert [path.name for path in tmp_path.iterdir()] == [name]


# Damage


def test_missing_and_empty_files(tmp_path):
    missing, empty = tmp_path / "none.avi", tmp_path / "empty.avi"
    empty.touch()
    assert "no such video" in refusal(missing) and "remove the clip" in refusal(missing)
    assert "0 bytes" in refusal(empty) and "replace it" in refusal(empty)
    assert "no such video" in refusal(tmp_path)


@pytest.mark.parametrize("options", [{}, {"accept_damage": True}])
def test_what_is_no_video(tmp_path, options):
    path = tmp_path / "text.avi"
    path.write_text("These are not the frames.\n" * 100)
    assert "no video" in refusal(path, **options) and "replace the file" in refusal(path, **options)
    sound = ["-f", "lavfi", "-i", "sine=duration=0.1"]
    command = [ffmpeg.executable(), "-v", "error", *sound, tmp_path / "a.wav"]
    subprocess.run(command, check=True)
    assert "no video" in refusal(tmp_path / "a.wav", **options)


def test_one_frame_is_too_few(tmp_path):
    path = tmp_path / "one.avi"
    encode(path, waves(1, 32, 32), 25)
    assert "one frame" in refusal(path) and "replace it" in refusal(path)


def test_truncated_clip(shared, tmp_path):
    content, path = (shared / CLIP).read_bytes(), tmp_path / "short.avi"
    path.write_bytes(content[: len(content) // 2])
    message = refusal(path)
    assert f"{len(content) // 2} of {len(content)} bytes" in message and "accept_damaged" in message
    whole, decoded = list(decode(shared / CLIP)), list(decode(path, accept_damage=True))
    assert 10 < len(decoded) < 83 and all((decoded[t] == whole[t]).all() for t in range(10))
    path.write_bytes(content[:100])
    assert "no frame can be decoded" in refusal(path, accept_damage=True)


@pytest.mark.parametrize("filler", [b"\x00", b"\xff", b"\xa5\x3c"])
def test_damage_in_the_middle(shared, tmp_path, filler):
    content, path = bytearray((shared / CLIP).read_bytes()), tmp_path / "damaged.avi"
    middle = len(content) // 2
    content[middle : middle + 4000] = (filler * 4000)[:4000]
    path.write_bytes(content)
    message = refusal(path)
    assert "damaged" in message and "accept_damaged" in message
    # ffmpeg's abbreviation of a repeated message is not a reason.
    assert "Last message repeated" not in message
    whole, decoded = list(decode(shared / CLIP)), list(decode(path, accept_damage=True))
    assert 70 < len(decoded) <= 83 and all((decoded[t] == whole[t]).all() for t in range(10))


def test_every_clip_that_lacks_its_end_is_noticed_without_a_header_of_sizes(tmp_path):
    path = make_video(tmp_path / "whole.mkv", "-c:v", "mpeg4")
    content = path.read_bytes()
    (tmp_path / "short.mkv").write_bytes(content[: len(content) * 2 // 3])
    assert "damaged" in refusal(tmp_path / "short.mkv")
