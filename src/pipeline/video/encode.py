"""Encode frames as a video file with ffmpeg."""

import subprocess
from pathlib import Path

import ffmpeg
import numpy as np

from pipeline.errors import PipelineError
from pipeline.video.ffmpeg import executable


def encode(path: str | Path, frames: np.ndarray, fps: float, quality: int = 3) -> None:
    """Write (N, H, W, 3) uint8 RGB frames as an MPEG-4 AVI file, the format of UCF101.

    `fps` is the number of frames per second; `quality` goes from 2, the best, to 31. Equal frames
    give equal bytes. Raises PipelineError when ffmpeg cannot write the file.
    """
    frames = np.ascontiguousarray(frames)
    height, width = frames.shape[1:3]
    source = ffmpeg.input(
        "pipe:", format="rawvideo", pix_fmt="rgb24", s=f"{width}x{height}", framerate=fps
    )
    options = {
        "vcodec": "mpeg4",
        "vtag": "xvid",
        "pix_fmt": "yuv420p",
        "format": "avi",
        "q:v": quality,
        # One thread and no version strings, so that the bytes do not depend on the machine.
        "threads": 1,
        "flags": "+bitexact",
        "fflags": "+bitexact",
    }
    # With 'file:' in front, a name that has a colon or a leading '-' is still only a name.
    output = source.output(f"file:{path}", **options)
    command = output.overwrite_output().global_args("-v", "error").compile(cmd=executable())
    result = subprocess.run(command, input=frames.tobytes(), capture_output=True)
    if result.returncode:
        reason = result.stderr.decode(errors="replace").strip()
        raise PipelineError(f"{path}: ffmpeg could not write the video: {reason}")
