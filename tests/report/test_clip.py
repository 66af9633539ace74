"""How a clip of a file is found."""

import pytest
from report_cases import GREY, shard

from pipeline.errors import PipelineError
from pipeline.report.clip import find_clip


def test_clips_are_found_by_id_path_or_name(frames):
    for wanted in ("Run/run_1", "/Run/run_1", "run_1"):
        assert find_clip(frames, wanted).id == "Run/run_1"
    assert find_clip(frames, "Run/a%20b").id == find_clip(frames, "a b").id == "Run/a b"
    assert find_clip(frames).id == "Jump/jump_0"


def test_unknown_clip_suggests_the_nearest(frames):
    with pytest.raises(PipelineError, match="no clip 'Jmp/jump_3' in it; the nearest: Jump/jump_3"):
        find_clip(frames, "Jmp/jump_3")
    with pytest.raises(PipelineError, match="no clip 'RUN_9' in it; the nearest: Run/run_"):
        find_clip(frames, "RUN_9")


def test_name_of_two_clips_is_refused(tmp_path):
    items = {"Jump/same": [GREY], "Run/same": [GREY]}
    with (
        shard(tmp_path / "frames.h5", "frames", items, items) as file,
        pytest.raises(
            PipelineError, match="2 clips are named 'same', say which: Jump/same, Run/same"
        ),
    ):
        find_clip(file, "same")
