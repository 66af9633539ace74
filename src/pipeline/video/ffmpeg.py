"""The ffmpeg program: where it is, its version, and what differs between versions."""

import re
import shutil
import subprocess
from functools import cache


@cache
def executable() -> str:
    """The path of the ffmpeg program: the system's, or the one that `imageio-ffmpeg` ships."""
    if system := shutil.which("ffmpeg"):
        return system
    import imageio_ffmpeg

    return imageio_ffmpeg.get_ffmpeg_exe()


@cache
def version() -> str:
    """The version that ffmpeg says of itself, such as '7.0.2-static'."""
    output = subprocess.run(
        [executable(), "-version"], capture_output=True, text=True, check=True
    ).stdout
    # The first line is 'ffmpeg version 7.0.2-static Copyright ..'.
    return output.split()[2]


def passthrough_option() -> dict[str, str]:
    """The output option with which every decoded frame comes out exactly once.

    By default ffmpeg writes raw video at a constant rate, for which it doubles and drops frames.
    The option has another name since ffmpeg 5.1.
    """
    # Some builds put an 'n' before the number. Builds from a commit have none, and are recent.
    number = re.match(r"n?(\d+)\.(\d+)", version())
    is_old = number and (int(number[1]), int(number[2])) < (5, 1)
    return {"vsync": "passthrough"} if is_old else {"fps_mode": "passthrough"}
