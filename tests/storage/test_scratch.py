"""Files that are written on a disk of the node and then moved."""

import pytest

from pipeline.errors import PipelineError
from pipeline.storage import scratch, writer


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A scratch folder that is named by another variable, as '$TMPDIR' is."""
    (tmp_path / "node").mkdir()
    monkeypatch.setenv("NODE_DISK", str(tmp_path / "node"))
    monkeypatch.setenv(scratch.VARIABLE, "$NODE_DISK")
    return tmp_path / "node"


def made(path):
    with writer.create(path, "scores", {"a": 1}, "code") as file:
        file["x"] = [1, 2, 3]
    return path.read_bytes()


def test_a_file_is_written_there_and_moved_whole(tmp_path, folder, monkeypatch):
    with writer.create(tmp_path / "one.h5", "scores", {"a": 1}, "code") as file:
        file["x"] = [1, 2, 3]
        assert len(list(folder.iterdir())) == 1 and not (tmp_path / "one.h5").exists()
    assert not list(folder.iterdir())
    there = (tmp_path / "one.h5").read_bytes()
    monkeypatch.delenv(scratch.VARIABLE)
    assert made(tmp_path / "two.h5") == there


def test_nothing_is_left_where_writing_fails(tmp_path, folder):
    made(tmp_path / "one.h5")
    before = (tmp_path / "one.h5").read_bytes()
    with (
        pytest.raises(ValueError, match="no more") as caught,
        writer.create(tmp_path / "one.h5", "scores", {}, "code"),
    ):
        raise ValueError("no more")
    assert not list(folder.iterdir()) and (tmp_path / "one.h5").read_bytes() == before
    # The disk that may be full is told first.
    assert caught.value.__notes__[0].startswith(f"while writing {folder}/pipeline-")


def test_a_folder_that_is_not_there_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv(scratch.VARIABLE, str(tmp_path / "none"))
    with pytest.raises(PipelineError, match=r"^PIPELINE_SCRATCH names .*none, which cannot be"):
        made(tmp_path / "one.h5")
    assert not (tmp_path / "one.h5").exists()
