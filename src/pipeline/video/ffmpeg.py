"""The ffmpeg program: where it is, its version, and what differs between versions."""

import re
import shutil
import subprocess
from functools import cache


@cache
def executable() -> str:
    """Path of the ffmpeg program."""
    if system := shutil.which("ffmpeg"):
        return system
    import imageio_ffmpeg

    return imageio_ffmpeg.get_ffmpeg_exe()


@cache
def version() -> str:
    """ffmpeg's own version string, such as '7.0.2-static'."""
    out = subprocess.run(
        [executable(), "-version"], capture_output=True, text=True, check=True
    ).stdout
    return out.split()[2]


def passthrough_option() -> dict:
    """The option by which every decoded frame comes out once.

    ffmpeg's default for raw output is a constant rate, which doubles and drops frames; the option's name changed in 5.1.
    """
    number = re.match(r"n?(\d+)\.(\d+)", version())
    old = number and (int(number[1]), int(number[2])) < (5, 1)
    return {"vsync": "passthrough"} if old else {"fps_mode": "passthrough"}
