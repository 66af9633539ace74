"""What lies beside a file in the folder of its data set, where it does: frames of a clip, and their
number.
"""

from contextlib import suppress
from pathlib import Path

import h5py

from pipeline.datasets import index
from pipeline.errors import PipelineError
from pipeline.report.clip import Clip
from pipeline.storage.foreign import require_whole
from pipeline.storage.keys import key_of
from pipeline.storage.reader import open_checked


def frames_of(clip: Clip, count: int | None = None) -> h5py.Dataset | None:
    """The frames (n, H, W, 3) of a clip of a shard of flow or of trajectories; None without any.

    They are those of the shard of the same name. With `count` they must be so many.
    """
    path = Path(clip.file.filename)
    path = path.parents[1] / "frames" / path.name if len(path.parents) > 1 else path
    with suppress(PipelineError):
        file = open_checked(path, "frames")
        require_whole(file)
        data = file.get(key_of(clip.id))
        if isinstance(data, h5py.Dataset) and count in (None, len(data)):
            return data
    return None


def frame_count(clip: Clip) -> int | None:
    """The number of frames of a test clip, by the table of its split; None where that is not near.

    Scores lie in a folder of their source, within that of their run, within that of the split.
    """
    for folder in Path(clip.file.filename).absolute().parents[:5]:
        if (folder / "test.csv").is_file():
            with suppress(PipelineError):
                rows = index.read(folder / "test.csv")
                return next((row["frames"] for row in rows if row["clip"] == clip.id), None)
    return None
