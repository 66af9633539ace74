"""Write frames as a video file."""

import subprocess
from pathlib import Path

import ffmpeg
import numpy as np

from pipeline.errors import PipelineError
from pipeline.video.ffmpeg import executable


def encode(path: str | Path, frames: np.ndarray, fps: float, quality: int = 3) -> None:
    """Write (N, H, W, 3) uint8 RGB frames as an MPEG-4 AVI, the codec of UCF101 (quality: 2 best .. 31)."""
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
        "threads": 1,
        "flags": "+bitexact",
        "fflags": "+bitexact",
    }
    command = source.output(f"file:{path}", **options).overwrite_output().global_args("-v", "error")
    result = subprocess.run(
        command.compile(cmd=executable()), input=frames.tobytes(), capture_output=True
    )
    if result.returncode:
        raise PipelineError(
            f"{path}: ffmpeg could not write the video: {result.stderr.decode(errors='replace').strip()}"
        )
