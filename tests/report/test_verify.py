"""Which files are checked, and how; `tests/cli/test_verify.py` damages them."""

import os

import pytest
from report_cases import GREY, shard

from pipeline.errors import PipelineError
from pipeline.files import replacing, seal_of
from pipeline.report import verify


def test_what_programs_read_is_checked_and_nothing_else(tmp_path):
    for name in ("a.csv", "b/c.pt", "b/log.txt", "b/.kept/c/0-c.pt", "b/.checkpoints/d.pt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    with replacing(tmp_path / "b/history.jsonl") as temporary:
        temporary.write_text("sealed")
    os.symlink(tmp_path / "nowhere", tmp_path / "dangling.csv")
    wanted = ["a.csv", "b/.checkpoints/d.pt", "b/c.pt", "b/history.jsonl"]
    assert verify.files_of([tmp_path, tmp_path / "a.csv"]) == [tmp_path / name for name in wanted]


@pytest.mark.parametrize("sealed", [True, False])
def test_ways_of_checking(tmp_path, sealed):
    path, text = tmp_path / "frames.h5", tmp_path / "a.h5"
    shard(path, "frames", ["Run/a"], {"Run/a": [GREY] * 3}).close()
    text.write_text("no HDF5 file")
    if not sealed:
        seal_of(path).unlink()
    assert verify.check(path) == (verify.INTACT if sealed else verify.CHUNKS)
    assert verify.check(text) == verify.UNCHECKED
    with pytest.raises(PipelineError, match="there is no such file"):
        verify.check(tmp_path / "none.h5")
