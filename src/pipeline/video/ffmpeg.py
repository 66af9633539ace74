"""The ffmpeg program: where it is, its version, how it is started, and what differs between
versions.
"""

import errno
import os
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path

from pipeline.errors import MachineError, first_line

# What the system says when it is the machine that fails, not a file.
MACHINE_ERRORS = {
    errno.EIO,
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EROFS,
    errno.ESTALE,
    errno.ETIMEDOUT,
    errno.EMFILE,
    errno.ENFILE,
    errno.ENOMEM,
    errno.EAGAIN,
    errno.EUCLEAN,
    errno.ENODEV,
    errno.ENOTCONN,
    errno.EREMOTEIO,
}


@cache
def executable() -> str:
    """The path of the ffmpeg program: the system's, or the one that `imageio-ffmpeg` ships.

    Raises MachineError when there is neither.
    """
    if system := shutil.which("ffmpeg"):
        return system
    import imageio_ffmpeg

    try:
        return imageio_ffmpeg.get_ffmpeg_exe()
    except RuntimeError as error:
        raise MachineError(
            f"there is no ffmpeg on this machine ({first_line(error)}); install it, or set "
            "IMAGEIO_FFMPEG_EXE to its path"
        ) from error


@cache
def version() -> str:
    """The version that ffmpeg says of itself, such as '7.0.2-static'.

    Raises MachineError when the program cannot be run.
    """
    with start([executable(), "-version"], stdout=subprocess.PIPE) as process:
        output = process.stdout.read().decode(errors="replace")
    # The first line is 'ffmpeg version 7.0.2-static Copyright ..'.
    words = output.split()
    if process.returncode or words[:2] != ["ffmpeg", "version"]:
        raise MachineError(
            f"{executable()}: ffmpeg cannot be run (it ended with {process.returncode}); install "
            "it anew"
        )
    return words[2]


def start(command: list[str], **options) -> subprocess.Popen:
    """Start ffmpeg with no input, and with `options` of Popen.

    Raises MachineError when the system does not start it.
    """
    # Static builds crash on text in transport streams when they load the system's own tables of
    # character sets.
    environment = os.environ | {"GCONV_PATH": os.devnull}
    try:
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, env=environment, **options)
    except OSError as error:
        raise MachineError(
            f"{command[0]}: ffmpeg cannot be started ({error.strerror}); nothing is wrong with the "
            "videos: see that it may be executed and that memory is free, and run the same again"
        ) from error


def passthrough_option() -> dict[str, str]:
    """The output option with which every decoded frame comes out exactly once.

    By default ffmpeg writes raw video at a constant rate, for which it doubles and drops frames.
    The option has another name since ffmpeg 5.1.
    """
    # Some builds put an 'n' before the number. Builds from a commit have none, and are recent.
    number = re.match(r"n?(\d+)\.(\d+)", version())
    is_old = number and (int(number[1]), int(number[2])) < (5, 1)
    return {"vsync": "passthrough"} if is_old else {"fps_mode": "passthrough"}


def machine_error(path: str | Path, reason: str) -> MachineError:
    """Return the error to raise when the machine failed while ffmpeg read a video."""
    return MachineError(
        f"{shown(path)}: not decoded, because the machine failed ({reason}); nothing is wrong with "
        "the video as far as is known: see to memory and disk, and run the same again"
    )


def shown(path: str | Path) -> str:
    """Return a path as text of one line; what cannot be printed is spelt out, as in '\\n'."""
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode()
        for c in os.fspath(path)
    )
