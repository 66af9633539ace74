"""Clips of a moving square, their trajectories, and the command `pipeline idt`."""

import cv2
import numpy as np
from typer.testing import CliRunner

from pipeline.cli.app import app
from pipeline.idt.extract import COLUMNS, trajectories

RNG = np.random.default_rng(4)


def texture(height: int, width: int) -> np.ndarray:
    """Smooth noise, grey (height, width) uint8."""
    noise = cv2.GaussianBlur(RNG.standard_normal((height, width)), (0, 0), 1.5)
    return np.clip(128 + 40 * noise / noise.std(), 0, 255).astype(np.uint8)


def square(frames: int, step: float = 2.0) -> list[np.ndarray]:
    """Grey frames (64, 96) of a textured square of 40 pixels that moves right, `step` per frame.

    The ground, textured as well, stands still.
    """
    ground, patch = texture(64, 96), texture(40, 40)
    images = []
    for number in range(frames):
        image = ground.copy()
        left = 8 + int(step * number) % 40
        image[12:52, left : left + 40] = patch
        images.append(image)
    return images


def extract_all(images: list[np.ndarray]) -> np.ndarray:
    """All trajectories of a clip, (n, 436)."""
    return np.concatenate(
        [np.empty((0, COLUMNS), np.float32), *trajectories(iter(images), len(images))]
    )


def run_command(*arguments):
    """The result of the command `pipeline idt`."""
    return CliRunner().invoke(app, ["idt", *map(str, arguments)])
