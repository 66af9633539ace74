"""Small shards of clips, and the text of a clip, for tests of reports."""

import numpy as np

from pipeline.report import inspect
from pipeline.report.clip import find_clip
from pipeline.report.describe import describe_clip
from pipeline.storage import writer

CLASSES = ["Bow", "Jump", "Run", "Sit", "Wave", "Yawn"]
BOUND = 20.0
GREY = np.full((6, 8, 3), 100, np.uint8)


def shard(path, kind, clips, items, settings=None):
    """A shard of clips {id: arrays} as the pipeline writes it."""
    rows = [
        {
            "clip": clip,
            "path": f"videos/{clip}.avi",
            "sha256": "0123456789abcdef",
            "frames": len(arrays) + (kind == "flow"),
        }
        for clip, arrays in items.items()
        if clip in clips
    ]
    writer.write_shard(
        path, kind, rows, lambda row: iter(items[row["clip"]]), settings or {}, "c0de", "by hand"
    )
    return inspect.open_file(path)


def text_of(file, clip=None, width=80):
    return "\n".join(describe_clip(find_clip(file, clip), width))
