"""Decoding and encoding of video files with ffmpeg.

The system's ffmpeg is used when there is one, else the binary that `imageio-ffmpeg` ships. Frames are counted by
decoding them: headers are off by one or more in many real clips (reference: opencv/opencv#15569).
"""

import re
import struct
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import ffmpeg
import numpy as np

from pipeline.errors import PipelineError
from pipeline.video.ffmpeg import executable, passthrough_option


def decode(
    path: str | Path, short_side: int | None = None, accept_damage: bool = False
) -> Iterator[np.ndarray]:
    """Yield the frames of a video, (H, W, 3) uint8 RGB, in order, each decoded once.

    Frames whose shorter side exceeds `short_side` are scaled down to it, keeping the aspect; none is scaled up.
    Raises PipelineError when the file is missing, empty, no video, cut short or damaged, after the frames that could
    be decoded; with `accept_damage` only when nothing can be.
    """
    path = Path(path)
    check_container(path, accept_damage)
    stream = ffmpeg.input(f"file:{path}")[
        "v:0"
    ]  # 'file:' keeps a name with a colon or leading '-' from meaning anything
    if short_side:
        fits = f"lte(min(iw,ih),{short_side})"
        stream = stream.filter(
            "scale",
            w=f"if({fits},iw,if(gt(iw,ih),-2,{short_side}))",
            h=f"if({fits},ih,if(gt(iw,ih),{short_side},-2))",
            flags="area",
        )
    stream = stream.filter("settb", "1/25").filter(
        "setpts", "N"
    )  # a muxer refuses doubled time stamps
    # PPM images carry their own size, so no second program has to be asked for it.
    command = stream.output(
        "pipe:",
        format="image2pipe",
        vcodec="ppm",
        pix_fmt="rgb24",
        threads=1,
        **passthrough_option(),
    )
    arguments = command.global_args("-nostdin", "-v", "repeat+error", "-threads", "1").compile(
        cmd=executable()
    )
    with tempfile.TemporaryFile() as messages:
        process = subprocess.Popen(
            arguments, stdout=subprocess.PIPE, stderr=messages, stdin=subprocess.DEVNULL
        )
        count = 0
        try:
            while (frame := _read_ppm(process.stdout)) is not None:
                count += 1
                yield frame
            process.wait()
        finally:
            process.kill()
            process.stdout.close()
            process.wait()
        messages.seek(0)
        said = messages.read().decode(errors="replace").strip().splitlines()
    reason = (
        re.sub(r"^\[[^]]*\]\s*|file:", "", said[-1])
        if said
        else f"ffmpeg ended with {process.returncode}"
    )
    if count == 0:
        raise PipelineError(
            f"{path}: no frame can be decoded, it is no video or its codec is unknown (ffmpeg: {reason}); "
            "replace the file, or remove the clip from the split lists"
        )
    if (process.returncode or said) and not accept_damage:
        raise PipelineError(
            f"{path}: damaged after frame {count} or before (ffmpeg: {reason}); replace the file, or list "
            "the clip under accept_damaged of its set to use what decodes"
        )


def check_container(path: Path, accept_damage: bool = False) -> None:
    """Refuse what needs no decoder to be seen: a missing, empty or (AVI) truncated file."""
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
    if len(head) == 12 and head[:4] == b"RIFF" and head[8:] == b"AVI " and not accept_damage:
        promised = struct.unpack("<I", head[4:8])[0] + 8
        if size < promised:
            raise PipelineError(
                f"{path}: the file is cut short, {size} of {promised} bytes are there; replace it, or list "
                "the clip under accept_damaged of its set to use what decodes"
            )


def _read_ppm(pipe) -> np.ndarray | None:
    """The next 'P6 width height 255' image of a pipe, (H, W, 3) uint8, or None at its end."""
    if pipe.readline() != b"P6\n":
        return None
    size, depth = pipe.readline().split(), pipe.readline()
    if len(size) != 2 or depth != b"255\n":
        return None
    width, height = int(size[0]), int(size[1])
    pixels = pipe.read(width * height * 3)
    if len(pixels) < width * height * 3:
        return None
    return np.frombuffer(pixels, np.uint8).reshape(height, width, 3)


def probe(path: str | Path, accept_damage: bool = False) -> dict:
    """Decode a whole video and say what is in it: {'frames', 'width', 'height'}, size as stored in the file.

    Raises PipelineError as `decode` does, and for a clip of one frame, between whose frames nothing moves.
    """
    frames, shape = 0, (0, 0, 3)
    for frame in decode(path, accept_damage=accept_damage):
        frames, shape = frames + 1, frame.shape
    if frames < 2:
        raise PipelineError(
            f"{path}: the clip has one frame, and optical flow needs two; replace it, or remove the clip "
            "from the split lists"
        )
    return {"frames": frames, "width": shape[1], "height": shape[0]}
