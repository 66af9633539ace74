"""Videos to try decoding and encoding on."""

import subprocess
from pathlib import Path

import numpy as np

from pipeline.video import ffmpeg

# ffmpeg's options for 20 frames of 64 x 96 pixels, all different.
TEST_FRAMES = ["-f", "lavfi", "-i", "testsrc=size=96x64:rate=25:duration=0.8"]


def waves(count: int, height: int, width: int) -> np.ndarray:
    """Smooth waves that drift: (count, height, width, 3) uint8.

    Each frame is 8 levels brighter in blue than the one before.
    """
    t, y, x = np.mgrid[:count, :height, :width]
    red, green = 128 + 90 * np.sin((x + 3 * t) / 17), 128 + 90 * np.cos((y + 2 * t) / 23)
    return np.stack([red, green, 40 + 8 * t], axis=-1).astype(np.uint8)


def make_video(path: Path, *options: str) -> Path:
    """Encode the 20 frames of TEST_FRAMES with options of ffmpeg's own."""
    command = [ffmpeg.executable(), "-v", "error", "-y", *TEST_FRAMES, *options, str(path)]
    subprocess.run(command, check=True)
    return path
