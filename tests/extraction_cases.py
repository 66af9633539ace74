"""Videos whose flow is known, and settings to compute it with."""

from pathlib import Path

import numpy as np
from flow_cases import texture

from pipeline.extraction.layouts import Settings
from pipeline.video.encode import encode

# Pixels by which the content of each frame lies from that of the frame before.
RIGHT, DOWN = 1.5, -0.75


def settings(**changes) -> Settings:
    given = {"format": "jpg", "layout": "denseflow", "bound": 20.0, "step": 1, "short_side": 256}
    return Settings(**given | {"backend": "cpu", "solver": "cpu 1", "damaged": False} | changes)


def video(path: Path, frames: int = 7, height: int = 48, width: int = 64, fps: float = 25) -> Path:
    """Write a video whose content moves by RIGHT and DOWN from frame to frame."""
    path.parent.mkdir(parents=True, exist_ok=True)
    grey = [texture(height, width, RIGHT * t, DOWN * t) for t in range(frames)]
    encode(path, np.stack(grey)[..., None].repeat(3, axis=-1), fps, quality=2)
    return path


def contents(folder: Path) -> dict[str, bytes]:
    """The content of every file below a folder, also of those whose names begin with '.'."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }
