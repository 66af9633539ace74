"""Clips that somebody else made: healthy ones of many kinds have all their frames, and damaged or
hostile ones are refused in a sentence.

A cut leaves no trace in containers that have neither an index nor a length, such as .ts, .ogv and
raw streams, so those are not cut here.
"""

import os
import random
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from faults.trials import (
    FALSE_ALARM,
    HANG,
    HARMLESS,
    REFUSED,
    SAME,
    SILENT,
    TRACEBACK,
    UNSEEN,
    Trial,
)
from video_cases import COUNT, HEIGHT, KINDS, WIDTH, waves

from pipeline.errors import PipelineError
from pipeline.video import ffmpeg
from pipeline.video.decode import decode, probe

# Trials of healthy clips, of each of three damages, and of each kind of hostile file, in full.
HEALTHY, DAMAGED, HOSTILE = 70, 12, 1
# Seconds after which a clip hangs, on a machine that does other things, too.
LONGEST = 120
PAGE = 4096
# Containers that say how long they are, with codecs that sets of clips have.
DAMAGED_KINDS = {
    "xvid.avi": "-c:v mpeg4 -vtag xvid -q:v 3",
    "h264.mp4": "-c:v libx264 -movflags +faststart",
    "h264.mkv": "-c:v libx264",
}


def run(seed: int, scale: float, folder: Path) -> Iterator[Trial]:
    """Yield the trials; see `faults.trials`."""
    chance = random.Random(seed)
    yield from _healthy(chance, scale, folder)
    yield from _damaged(chance, scale, folder)
    names = list(HOSTILE_FILES)
    for name in names if scale >= 1 else chance.sample(names, max(2, round(len(names) * scale))):
        path = folder / "hostile" / name
        path.parent.mkdir(exist_ok=True)
        HOSTILE_FILES[name](path)
        outcome, detail = _outcome(path, lambda path: probe(path) and SILENT)
        yield Trial("clips", "hostile", outcome, f"{name}: {detail}")


def _healthy(chance: random.Random, scale: float, folder: Path) -> Iterator[Trial]:
    """Yield a trial for some of the kinds of healthy video: each has all its frames."""
    frames = waves(COUNT, HEIGHT, WIDTH)
    for kind in chance.sample(KINDS, max(2, round(HEALTHY * scale))):
        path = kind.make(folder, frames)

        def read(path: Path) -> str:
            return SAME if probe(path)["frames"] == COUNT else SILENT

        outcome, detail = _outcome(path, read)
        outcome = FALSE_ALARM if outcome == REFUSED else outcome
        yield Trial("clips", "healthy", outcome, f"{kind.name}: {detail}")


def _damaged(chance: random.Random, scale: float, folder: Path) -> Iterator[Trial]:
    """Yield trials of damaged clips: refused, or as they were."""
    # Noise, so that a page is less than a frame.
    noise = np.random.default_rng(chance.randrange(2**32)).integers(0, 256, (24, 240, 320, 3))
    for name, options in DAMAGED_KINDS.items():
        path = _encode(folder / name, noise.astype(np.uint8), options)
        good, frames = path.read_bytes(), list(decode(path))

        def read(path: Path, frames: list = frames) -> str:
            found = list(decode(path))
            if len(found) != len(frames):
                return SILENT
            if all(map(np.array_equal, found, frames)):
                return HARMLESS
            return UNSEEN if _decodes_without_a_word(path) else SILENT

        for what, change in CHANGES.items():
            for _ in range(max(1, round(DAMAGED / len(DAMAGED_KINDS) * scale))):
                path.write_bytes(change(good, chance))
                outcome, detail = _outcome(path, read)
                yield Trial("clips", f"{name}, {what}", outcome, detail)


def _outcome(path: Path, read: Callable[[Path], str]) -> tuple[str, str]:
    """Read a clip; return how that ended, and the sentence or error if there was one."""
    try:
        with _time_limit(LONGEST):
            return read(path), ""
    except PipelineError as error:
        return (REFUSED if str(path) in str(error) else TRACEBACK), str(error)
    except TimeoutError:
        return HANG, f"longer than {LONGEST} s"
    except Exception as error:
        return TRACEBACK, repr(error)


def _decodes_without_a_word(path: Path) -> bool:
    """Whether ffmpeg has nothing to say of a video: H.264 has no checksums of its own, and about
    one zeroed page in thirty decodes to other pixels without an error.
    """
    command = [ffmpeg.executable(), "-v", "warning", "-i", str(path), "-f", "null", "-"]
    done = subprocess.run(command, capture_output=True)
    return done.returncode == 0 and not done.stderr.strip()


@contextmanager
def _time_limit(seconds: int) -> Iterator[None]:
    """Raise TimeoutError in the block after so many seconds."""

    def end(*_):
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, end)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def _encode(path: Path, frames: np.ndarray, options: str) -> Path:
    """Encode (N, H, W, 3) uint8 frames at 25 a second."""
    size = f"{frames.shape[2]}x{frames.shape[1]}"
    source = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", size, "-r", "25", "-i", "-"]
    words = [*options.split(), "-pix_fmt", "yuv420p"]
    command = [ffmpeg.executable(), "-v", "error", "-y", *source, *words, str(path)]
    subprocess.run(command, input=frames.tobytes(), check=True, stderr=subprocess.DEVNULL)
    return path


# Damages


def _cut(good: bytes, chance: random.Random) -> bytes:
    """The tail is missing, as after a download that broke off."""
    return good[: int(len(good) * chance.uniform(0.1, 0.95))]


def _zero(good: bytes, chance: random.Random) -> bytes:
    """A page of the disk is empty."""
    start = chance.randrange(len(good) // 4, len(good) - 2 * PAGE)
    return good[:start] + bytes(PAGE) + good[start + PAGE :]


def _swap(good: bytes, chance: random.Random) -> bytes:
    """Two pages stand in each other's place."""
    middle = len(good) // 2
    first, second = (
        chance.randrange(PAGE, middle - PAGE),
        chance.randrange(middle, len(good) - PAGE),
    )
    a, b = good[first : first + PAGE], good[second : second + PAGE]
    return good[:first] + b + good[first + PAGE : second] + a + good[second + PAGE :]


CHANGES = {"tail cut": _cut, "page zeroed": _zero, "pages swapped": _swap}


# Hostile and unusable files


def _beside(path: Path) -> Path:
    """A healthy video beside `path`, which a playlist names."""
    return _encode(path.with_name("other.avi"), waves(COUNT, HEIGHT, WIDTH), "-c:v mpeg4")


def _playlist(text: str) -> Callable[[Path], None]:
    return lambda path: path.write_text(text.format(other=_beside(path)))


def _of_size(count: int, height: int, width: int, options: str) -> Callable[[Path], None]:
    return lambda path: _encode(path, np.zeros((count, height, width, 3), np.uint8), options)


def _giant(path: Path) -> None:
    """A picture of 16,000 x 16,000 in some kilobytes, from ffmpeg's own source."""
    source = ["-f", "lavfi", "-i", "color=size=16000x16000:rate=25:duration=0.08"]
    command = [ffmpeg.executable(), "-v", "error", "-y", *source, "-c:v", "mjpeg", str(path)]
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)


HOSTILE_FILES: dict[str, Callable[[Path], object]] = {
    "hls.avi": _playlist("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{other}\n#EXT-X-ENDLIST\n"),
    "concat.avi": _playlist("ffconcat version 1.0\nfile {other}\n"),
    "list.avi": _playlist("ffconcat version 1.0\nfile 'file:{other}'\nfile 'file:{other}'\n"),
    "dash.mp4": _playlist(
        '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"><Period>'
        "<AdaptationSet><Representation><BaseURL>{other}</BaseURL></Representation>"
        "</AdaptationSet></Period></MPD>\n"
    ),
    "text.avi": lambda path: path.write_text("words that are no video\n" * 200),
    "binary.mp4": lambda path: path.write_bytes(random.Random(1).randbytes(50_000)),
    "zeros.mkv": lambda path: path.write_bytes(bytes(50_000)),
    "empty.avi": lambda path: path.write_bytes(b""),
    "pipe.avi": lambda path: os.mkfifo(path),
    "folder.avi": lambda path: path.mkdir(),
    "nowhere.avi": lambda path: path.symlink_to("none.avi"),
    "loop.avi": lambda path: path.symlink_to(path.name),
    "small.avi": _of_size(20, 12, 12, "-c:v mpeg4"),
    "flat.avi": _of_size(20, 4, 400, "-c:v mpeg4"),
    "one_frame.avi": _of_size(1, 64, 64, "-c:v mpeg4"),
    "giant.mkv": _giant,
}
