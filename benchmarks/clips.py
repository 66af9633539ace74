"""Genuine clips for benchmarks: frames and quantised flow, computed once into a folder that is kept between runs."""

from pathlib import Path

import numpy as np

from pipeline.flow import levels, tvl1
from pipeline.video.decode import decode

CLIPS = 12  # two of each of six classes


def genuine(videos: Path, folder: Path) -> list[tuple[str, np.ndarray, np.ndarray]]:
    """(name, frames (n, H, W, 3), flow (n - 1, 2, H, W)) of CLIPS clips; flow takes minutes where `folder` lacks it."""
    clips = []
    for path in [
        path
        for classes in sorted(videos.iterdir())
        for path in sorted(classes.iterdir())[::17][: CLIPS // 6]
    ]:
        kept = folder / f"{path.stem}.npz"
        if not kept.is_file():
            print(f"flow of {path.stem} ..", flush=True)
            frames = np.stack(list(decode(str(path))))
            fields = tvl1.fields(map(tvl1.grey, frames), backend="cpu")
            folder.mkdir(parents=True, exist_ok=True)
            np.savez(
                kept,
                frames=frames,
                flow=np.stack([levels.quantise(field).transpose(2, 0, 1) for field in fields]),
            )
        with np.load(kept) as arrays:
            clips.append((path.stem, arrays["frames"], arrays["flow"]))
    return clips
