"""What is said of a whole file."""

import numpy as np
import pytest
from report_cases import CLASSES

from pipeline.errors import PipelineError
from pipeline.report import inspect
from pipeline.report.clip import find_clip
from pipeline.storage import writer


def test_file_of_one_clips_trajectories(tmp_path):
    with writer.create(
        tmp_path / "features.h5", "trajectories", {"short_side": None}, "c0de", source="a.avi"
    ) as file:
        file["trajectories"] = np.zeros((5, 436), np.float32)
    with inspect.open_file(tmp_path / "features.h5") as file:
        text = "\n".join(inspect.describe(file))
        assert "float32 5x436" in text and " clip" not in text.split("MBHy")[1]
        with pytest.raises(PipelineError, match="no clips"):
            find_clip(file)


def test_tree_names_clips_with_shapes_and_sizes(frames):
    lines = inspect.describe(frames, 80)
    text = "\n".join(lines)
    assert (
        "Decoded video frames" in text
        and "short_side=256" in text
        and "by hand" in text
        and "c0de" in text
    )
    row = next(line for line in lines if "jump_2" in line)
    # 5 * 6 * 8 * 3 bytes
    assert row.split()[:3] == ["jump_2", "uint8", "5x6x8x3"] and "720 B" in row
    assert next(line for line in lines if line.startswith("Run/")).split()[1:3] == ["6", "clips"]
    assert "source=jump_2.avi" in text
    memory = 10 * 720 + 2 * 6 * 8 * 3
    assert f"{memory / 1000:.1f} kB" in next(
        line for line in lines if line.startswith("total of 2 classes")
    )
    # The path at the head is as long as it is: a reader can copy it.
    assert lines[0].endswith("frames.h5") and max(map(len, lines[1:])) <= 80


def test_tree_is_cut_and_says_so(frames):
    cut, whole = (
        "\n".join(inspect.describe(frames, 80, everything)) for everything in (False, True)
    )
    assert "jump_2" in cut and "jump_3" not in cut and "6 of 11 clips are shown; --all" in cut
    assert "jump_3" in whole and "run_4" in whole and "--all" not in whole
    # The id is said where HDF5's path is another.
    assert "clip=Run/a b" in whole


def test_tree_of_scores_lists_its_clips(scores):
    text = "\n".join(inspect.describe(scores, 80))
    assert "float32 2x2x6" in text and "Jump/one, Yawn/two" in text and "source  motion" in text
    assert "Bow, Jump, Run, .. 6 in all" in text
    assert ", ".join(CLASSES) in "\n".join(inspect.describe(scores, 80, everything=True))
