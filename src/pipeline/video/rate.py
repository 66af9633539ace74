"""The rate of a video, in frames per second, as its container states it."""

import re
import subprocess
from pathlib import Path

from pipeline.video import container, ffmpeg

# Seconds that ffmpeg has to read the head of a file.
PATIENCE = 60
# What a video without a rate is taken to have.
USUAL = 25.0
# In the line of a stream of video; thousands are written '1k'.
RATE = re.compile(r": Video: .*?, ([0-9.]+)(k?) (?:fps|tbr)")


def frame_rate(path: str | Path) -> float:
    """Return the frames per second of a video that can be decoded; USUAL where none are stated."""
    command = [
        *(ffmpeg.executable(), "-nostdin", "-hide_banner"),
        *("-format_whitelist", ",".join(container.FORMATS), "-protocol_whitelist", "file"),
        # With 'file:' in front, a name that has a colon or a leading '-' is still only a name.
        *("-i", f"file:{path}"),
    ]
    with ffmpeg.start(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        try:
            _, said = process.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            return USUAL
    found = RATE.search(said.decode(errors="replace"))
    rate = float(found[1]) * (1000 if found[2] else 1) if found else 0
    return rate or USUAL
