"""Shards of three small clips of noise, for tests of what writes and reads them."""

from pathlib import Path

import numpy as np

from pipeline.files import SEALS
from pipeline.storage import writer

SETTINGS = {"decode": {"short_side": 256}}
CODE = "0123456789abcdef"
CLIP_IDS = ["Run/v_Run_g01_c01", "Run/(HQ) 100%+!", "Jump/-a"]


def index_rows(frame_counts=(3, 5, 4)) -> list[dict]:
    """The index rows of the three clips, all in shard '000'."""
    return [
        {
            "clip": clip_id,
            "path": f"/v/{clip_id}.avi",
            "sha256": f"{number:016x}",
            "frames": count,
            "shard": "000",
        }
        for number, (clip_id, count) in enumerate(zip(CLIP_IDS, frame_counts, strict=True))
    ]


def pixels(row: dict, kind: str = "frames") -> np.ndarray:
    """Frames (n, 6, 8, 3) or fields (n - 1, 2, 6, 8) of a clip: noise that its id determines."""
    shape = (row["frames"], 6, 8, 3) if kind == "frames" else (row["frames"] - 1, 2, 6, 8)
    return np.random.default_rng(list(row["clip"].encode())).integers(0, 256, shape, dtype=np.uint8)


def write(
    path: Path, rows=None, kind="frames", make_arrays=None, settings=None, code=CODE, **options
) -> str:
    """Write a shard of the three clips; returns the digest of its pixels."""
    return writer.write_shard(
        path,
        kind,
        rows or index_rows(),
        make_arrays or (lambda row: iter(pixels(row, kind))),
        settings or SETTINGS,
        code,
        "ffmpeg 7",
        **options,
    )


def files(folder: Path) -> list[str]:
    """The paths of all files in a folder but seals, relative to it."""
    found = (path for path in folder.rglob("*") if path.is_file() and path.parent.name != SEALS)
    return sorted(str(path.relative_to(folder)) for path in found)
