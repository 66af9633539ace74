"""Frames written as an MP4 file, one at a time, so that memory does not grow with their number."""

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from tempfile import TemporaryFile
from typing import BinaryIO

import numpy as np

from pipeline.errors import PipelineError
from pipeline.video.ffmpeg import executable, shown, start

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
    ends well. Raises PipelineError where ffmpeg cannot write it, MachineError where it cannot be
    started.
    """
    with TemporaryFile() as said:
        process, pipe = _start(path, width, height, rate, said)

        def append(frame: np.ndarray) -> None:
            pipe.write(np.ascontiguousarray(frame))

        try:
            yield append
        except BrokenPipeError:
            # It has ended, and says why.
            pass
        except BaseException:
            process.kill()
            raise
        finally:
            with suppress(BrokenPipeError):
                pipe.close()
            process.wait()
        if process.returncode:
            said.seek(0)
            reason = said.read(MOST_SAID).decode(errors="replace").strip()
            raise PipelineError(f"{shown(path)}: ffmpeg could not write the film: {reason}")


def _start(
    path: str | Path, width: int, height: int, rate: float, said: BinaryIO
) -> tuple[subprocess.Popen, BinaryIO]:
    """Start an ffmpeg that writes the film, and return it with the pipe that it reads frames from.

    The pipe is not its standard input, which `start` closes.
    """
    coder = _coder()
    frames, pipe = os.pipe()
    command = [
        *(executable(), "-nostdin", "-hide_banner", "-v", "error", "-y"),
        *("-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}"),
        *("-framerate", f"{rate:.6g}", "-i", f"pipe:{frames}"),
        *("-c:v", coder, *QUALITY[coder], "-pix_fmt", "yuv420p"),
        # Players may begin before all of it is there.
        *("-movflags", "+faststart", "-f", "mp4", f"file:{path}"),
    ]
    try:
        process = start(command, pass_fds=[frames], stdout=subprocess.DEVNULL, stderr=said)
    except BaseException:
        os.close(pipe)
        raise
    finally:
        os.close(frames)
    return process, open(pipe, "wb")


@cache
def _coder() -> str:
    """The best of the encoders that this ffmpeg has."""
    command = [executable(), "-hide_banner", "-encoders"]
    with start(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        listed = process.stdout.read()
    return BEST if f" {BEST} ".encode() in listed else USUAL
