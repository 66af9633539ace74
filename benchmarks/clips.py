"""Real clips for benchmarks: frames and quantised flow, computed once into a folder."""

from pathlib import Path

import numpy as np

from pipeline.flow import levels, tvl1
from pipeline.video.decode import decode

# Two of each of six classes.
CLIPS = 12


def real_clips(videos: Path, folder: Path) -> list[tuple[str, np.ndarray, np.ndarray]]:
    """Read CLIPS clips of a folder of videos, `<class>/<clip>.avi`, with their flow.

    Returns (name, frames (n, H, W, 3), fields (n - 1, 2, H, W)) per clip, all uint8. What `folder`
    lacks is computed into it, which takes minutes.
    """
    clips = []
    for path in _choose(videos):
        arrays_file = folder / f"{path.stem}.npz"
        if not arrays_file.is_file():
            print(f"flow of {path.stem} ..", flush=True)
            folder.mkdir(parents=True, exist_ok=True)
            frames = np.stack(list(decode(str(path))))
            np.savez(arrays_file, frames=frames, flow=_quantised_flow(frames))
        with np.load(arrays_file) as arrays:
            clips.append((path.stem, arrays["frames"], arrays["flow"]))
    return clips


def _choose(videos: Path) -> list[Path]:
    """Clips of each class that are 17 files apart, so that they show different groups."""
    return [
        path
        for folder in sorted(videos.iterdir())
        for path in sorted(folder.iterdir())[::17][: CLIPS // 6]
    ]


def _quantised_flow(frames: np.ndarray) -> np.ndarray:
    """The flow of (n, H, W, 3) frames as it is stored: (n - 1, 2, H, W) uint8."""
    fields = tvl1.fields(map(tvl1.grey, frames), backend="cpu")
    # (H, W, 2) -> (2, H, W)
    return np.stack([levels.quantise(field).transpose(2, 0, 1) for field in fields])
