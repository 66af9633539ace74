"""Frames written as an MP4 file, one at a time, so that memory does not grow with their number."""

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryFile

import numpy as np

from pipeline.errors import MachineError, PipelineError
from pipeline.video.ffmpeg import executable, shown

# H.264, which browsers and phones play, and what is taken where this ffmpeg cannot write it.
BEST, USUAL = "libx264", "mpeg4"
QUALITY = {BEST: ("-crf", "21", "-preset", "veryfast"), USUAL: ("-q:v", "4")}
# Bytes of what ffmpeg says that are read.
MOST_SAID = 4096


@contextmanager
def film(
    path: str | Path, width: int, height: int, rate: float
) -> Iterator[Callable[[np.ndarray], None]]:
    """Yield what appends a frame (H, W, 3) uint8 RGB to the MP4 file `path`.

    Width and height are even; `rate` is in frames per second. The file is complete when the block
    ends well. Raises PipelineError where ffmpeg cannot write it.
    """
    coder = _coder()
    command = [
        *(executable(), "-nostdin", "-hide_banner", "-v", "error", "-y"),
        *("-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}"),
        *("-framerate", f"{rate:.6g}", "-i", "pipe:"),
        *("-c:v", coder, *QUALITY[coder], "-pix_fmt", "yuv420p"),
        # Players may begin before all of it is there.
        *("-movflags", "+faststart", "-f", "mp4", f"file:{path}"),
    ]
    with TemporaryFile() as said:
        process = _start(command, said)

        def append(frame: np.ndarray) -> None:
            process.stdin.write(np.ascontiguousarray(frame))

        try:
            yield append
            process.stdin.close()
        except BrokenPipeError:
            # It has ended, and says why.
            pass
        except BaseException:
            process.kill()
            process.wait()
            raise
        if process.wait():
            said.seek(0)
            reason = said.read(MOST_SAID).decode(errors="replace").strip()
            raise PipelineError(f"{shown(path)}: ffmpeg could not write the film: {reason}")


def _start(command: list[str], said) -> subprocess.Popen:
    try:
        return subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=said,
            env=os.environ | {"GCONV_PATH": os.devnull},
        )
    except OSError as error:
        raise MachineError(f"{command[0]}: ffmpeg cannot be started ({error.strerror})") from error


@cache
def _coder() -> str:
    """The best of the encoders that this ffmpeg has."""
    listed = subprocess.run(
        [executable(), "-hide_banner", "-encoders"], capture_output=True, stdin=subprocess.DEVNULL
    )
    return BEST if f" {BEST} ".encode() in listed.stdout else USUAL
