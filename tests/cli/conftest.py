"""A shard of frames to look at."""

import numpy as np
import pytest

from pipeline.storage import writer


@pytest.fixture
def shard(tmp_path):
    rows = [
        {"clip": f"Run/run_{i}", "path": f"run_{i}.avi", "sha256": "ab", "frames": 2}
        for i in range(5)
    ]
    path, black = tmp_path / "000.h5", np.zeros((2, 6, 8, 3), np.uint8)
    writer.write_shard(path, "frames", rows, lambda row: iter(black), {}, "c0de", "by hand")
    return path
