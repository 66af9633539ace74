"""Decode video files with ffmpeg.

Frames are counted by decoding them: headers are off by one or more in many real clips (reference:
opencv/opencv#15569).
"""

import re
import struct
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import ffmpeg
import numpy as np

from pipeline.errors import PipelineError
from pipeline.video.ffmpeg import executable, passthrough_option


def decode(
    path: str | Path, short_side: int | None = None, accept_damage: bool = False
) -> Iterator[np.ndarray]:
    """Yield the frames of a video, (H, W, 3) uint8 RGB, in order, each decoded once.

    Frames whose shorter side exceeds `short_side` pixels are scaled down to it, keeping the aspect
    ratio; none is scaled up.
    Raises PipelineError when the file is missing, empty, not a video, cut short or damaged. It
    comes after the frames that could be decoded. With `accept_damage` it comes only when no frame
    could be.
    """
    path = Path(path)
    check_container(path, accept_damage)
    with tempfile.TemporaryFile() as stderr:
        process = subprocess.Popen(
            _command(path, short_side),
            stdout=subprocess.PIPE,
            stderr=stderr,
            stdin=subprocess.DEVNULL,
        )
        count = 0
        try:
            while (frame := _read_ppm(process.stdout)) is not None:
                count += 1
                yield frame
            process.wait()
        finally:
            # The process is still alive when the caller stops before the last frame.
            process.kill()
            process.stdout.close()
            process.wait()
        stderr.seek(0)
        messages = stderr.read().decode(errors="replace").strip().splitlines()
    if messages:
        # Without the name of ffmpeg's component, '[avi @ 0x..] ', and our own 'file:'.
        reason = re.sub(r"^\[[^]]*\]\s*|file:", "", messages[-1])
    else:
        reason = f"ffmpeg ended with {process.returncode}"
    if count == 0:
        raise PipelineError(
            f"{path}: no frame can be decoded, it is no video or its codec is unknown "
            f"(ffmpeg: {reason}); replace the file, or remove the clip from the split lists"
        )
    if (process.returncode or messages) and not accept_damage:
        raise PipelineError(
            f"{path}: damaged after frame {count} or before (ffmpeg: {reason}); replace the file, "
            "or list the clip under accept_damaged of its set to use what decodes"
        )


def check_container(path: Path, accept_damage: bool = False) -> None:
    """Refuse a file that is missing, empty or a truncated AVI, which needs no decoder to see."""
    if not path.is_file():
        raise PipelineError(
            f"{path}: there is no such video; add it, or remove the clip from the split lists"
        )
    size = path.stat().st_size
    if size == 0:
        raise PipelineError(
            f"{path}: the file is empty (0 bytes), as after a broken download; replace it"
        )
    with open(path, "rb") as file:
        head = file.read(12)
    # An AVI file begins with 'RIFF', the number of bytes that follow, and 'AVI '.
    if len(head) == 12 and head[:4] == b"RIFF" and head[8:] == b"AVI " and not accept_damage:
        (following,) = struct.unpack("<I", head[4:8])
        expected = following + 8
        if size < expected:
            raise PipelineError(
                f"{path}: the file is cut short, {size} of {expected} bytes are there; replace it, "
                "or list the clip under accept_damaged of its set to use what decodes"
            )


def probe(path: str | Path, accept_damage: bool = False) -> dict:
    """Decode a whole video and return {'frames', 'width', 'height'}, the size as it is stored.

    Raises PipelineError as `decode` does, and for a clip of one frame, which has no optical flow.
    """
    frames, shape = 0, (0, 0, 3)
    for frame in decode(path, accept_damage=accept_damage):
        frames, shape = frames + 1, frame.shape
    if frames < 2:
        raise PipelineError(
            f"{path}: the clip has one frame, and optical flow needs two; replace it, or remove "
            "the clip from the split lists"
        )
    return {"frames": frames, "width": shape[1], "height": shape[0]}


def _command(path: Path, short_side: int | None) -> list[str]:
    """The ffmpeg command that writes all frames of a video to its standard output."""
    # With 'file:' in front, a name that has a colon or a leading '-' is still only a name.
    stream = ffmpeg.input(f"file:{path}")["v:0"]
    if short_side:
        fits = f"lte(min(iw,ih),{short_side})"
        # -2 is the even size that keeps the aspect ratio.
        stream = stream.filter(
            "scale",
            w=f"if({fits},iw,if(gt(iw,ih),-2,{short_side}))",
            h=f"if({fits},ih,if(gt(iw,ih),{short_side},-2))",
            flags="area",
        )
    # Every frame gets a time stamp of its own, because a muxer refuses repeated ones.
    stream = stream.filter("settb", "1/25").filter("setpts", "N")
    # PPM images carry their own size, so no second program has to be asked for it.
    output = stream.output(
        "pipe:",
        format="image2pipe",
        vcodec="ppm",
        pix_fmt="rgb24",
        threads=1,
        **passthrough_option(),
    )
    # 'repeat' writes out a message that ffmpeg would abbreviate as 'Last message repeated'.
    return output.global_args("-nostdin", "-v", "repeat+error", "-threads", "1").compile(
        cmd=executable()
    )


def _read_ppm(pipe: BinaryIO) -> np.ndarray | None:
    """Read the next image of a pipe, 'P6 width height 255' and its pixels, as (H, W, 3) uint8.

    Returns None at the end of the pipe, and for an image that is cut short.
    """
    if pipe.readline() != b"P6\n":
        return None
    size, depth = pipe.readline().split(), pipe.readline()
    if len(size) != 2 or depth != b"255\n":
        return None
    width, height = int(size[0]), int(size[1])
    pixels = pipe.read(width * height * 3)
    if len(pixels) < width * height * 3:
        return None
    # (H W 3,) -> (H, W, 3)
    return np.frombuffer(pixels, np.uint8).reshape(height, width, 3)
