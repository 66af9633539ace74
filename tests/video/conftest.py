"""The ffmpeg that decoding is tried with: the one of the lock file and, where they can be had,
earlier ones.
"""

import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from pipeline.video import ffmpeg

# Releases of `imageio-ffmpeg` by the version of ffmpeg that they ship.
RELEASES = {"4.1": "0.4.0", "4.2": "0.5.1", "7.0": "0.6.0"}


@pytest.fixture(params=["locked", *RELEASES])
def each_ffmpeg(request) -> tuple[int, int]:
    """Decode with one ffmpeg after the other; the version of it, such as (7, 0)."""
    if request.param != "locked":
        folder = request.config.cache.mkdir("ffmpeg")
        program = fetch(RELEASES[request.param], folder)
        if not program.is_file():
            pytest.skip(f"ffmpeg {request.param} cannot be had: {program}")
        patch = pytest.MonkeyPatch()
        patch.setattr(ffmpeg, "executable", lambda: str(program))
        request.addfinalizer(ffmpeg.version.cache_clear)
        request.addfinalizer(patch.undo)
    ffmpeg.version.cache_clear()
    number = re.match(r"\D*(\d+)\.(\d+)", ffmpeg.version())
    return int(number[1]), int(number[2])


@cache
def fetch(release: str, folder: Path) -> Path:
    """Return the ffmpeg of a release of `imageio-ffmpeg`, which a folder keeps from run to run.

    Where it cannot be had, it is a path that does not exist and whose name says why.
    """
    target = folder / release
    if not (programs := list(target.glob("imageio_ffmpeg/binaries/ffmpeg-*"))):
        package = [f"imageio-ffmpeg=={release}", "--no-deps", "--only-binary", ":all:"]
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--target", target, *package]
        try:
            subprocess.run(command, check=True, capture_output=True, text=True, timeout=120)
        except subprocess.TimeoutExpired:
            return Path("no answer within 120 seconds")
        except subprocess.CalledProcessError as error:
            return Path(error.stderr.strip().splitlines()[-1])
        programs = list(target.glob("imageio_ffmpeg/binaries/ffmpeg-*"))
    return programs[0] if programs else Path("the release has none for this machine")
