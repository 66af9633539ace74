"""Shards that are copied to a disk of the node before they are read."""

import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import PipelineError
from pipeline.storage import copies, reader, writer

ROW = {"clip": "a/b", "shard": "000", "frames": 3}


@pytest.fixture
def node(tmp_path, monkeypatch) -> Path:
    """A folder that is named by another variable, as '$TMPDIR' is."""
    (tmp_path / "node").mkdir()
    monkeypatch.setenv("NODE_DISK", str(tmp_path / "node"))
    monkeypatch.setenv(copies.VARIABLE, "$NODE_DISK")
    return tmp_path / "node"


@pytest.fixture
def shard(tmp_path) -> Path:
    return made(tmp_path / "frames/000.h5", 7)


def made(path: Path, value: int) -> Path:
    """A shard of one clip of three frames, all of one value."""
    with writer.create(path, "frames", {"store": {"frames": "gzip"}}, "code") as file:
        file["a/b"] = np.full((3, 4, 5, 3), value, np.uint8)
    return path


def read(shard: Path) -> tuple[int, Path]:
    """A pixel of the clip, and the file that it comes from."""
    dataset = reader.Shards(shard.parent, "frames").dataset(ROW)
    return int(dataset[0, 0, 0, 0]), Path(dataset.file.filename)


def copies_in(node: Path) -> list[Path]:
    return [path for path in node.iterdir() if path.suffix == ".h5"]


def test_a_shard_is_copied_once_and_read_there(node, shard):
    assert read(shard)[0] == 7
    (copy,) = copies_in(node)
    assert read(shard) == (7, copy) and copy.read_bytes() == shard.read_bytes()
    stat = copy.stat()
    assert read(shard)[1] == copy and copy.stat() == stat


def test_without_the_variable_it_is_read_where_it_lies(node, shard, monkeypatch):
    monkeypatch.delenv(copies.VARIABLE)
    assert read(shard) == (7, shard) and not list(node.iterdir())


def test_a_shard_that_was_made_again_is_copied_again(node, shard):
    assert read(shard)[0] == 7
    made(shard, 8)
    assert read(shard)[0] == 8


def test_shards_of_one_name_are_kept_apart(node, shard, tmp_path):
    other = made(tmp_path / "other/000.h5", 9)
    assert (read(shard)[0], read(other)[0]) == (7, 9) and len(copies_in(node)) == 2


def test_readers_at_once_make_one_copy(node, shard, monkeypatch):
    made_copies, copyfile = [], shutil.copyfile
    monkeypatch.setattr(shutil, "copyfile", lambda *paths: made_copies.append(copyfile(*paths)))
    with ThreadPoolExecutor(4) as threads:
        found = set(threads.map(copies.copied, [shard] * 8))
    assert found == set(copies_in(node)) and len(made_copies) == 1


def test_where_there_is_no_room_it_is_read_where_it_lies(node, shard, monkeypatch, capfd):
    full = shutil.disk_usage(node)._replace(free=copies.SPARE)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: full)
    assert read(shard) == (7, shard) and read(shard) == (7, shard)
    assert not copies_in(node)
    assert capfd.readouterr().err == (
        f"note: {node} has no room for a copy of {shard}, which is read where it lies\n"
    )


def test_a_copy_that_broke_off_is_no_copy(node, shard, monkeypatch):
    def broken_off(_, target):
        Path(target).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "copyfile", broken_off)
        with pytest.raises(PipelineError, match=r"^PIPELINE_COPIES names .*No space left"):
            copies.copied(shard)
    assert not copies_in(node) and not list(node.glob(".*"))
    assert read(shard)[0] == 7


def test_a_damaged_shard_is_named_and_not_copied(node, shard):
    content = bytearray(shard.read_bytes())
    content[-5] ^= 1
    stat = shard.stat()
    shard.write_bytes(content)
    os.utime(shard, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    with pytest.raises(PipelineError, match=f"^{shard}: "):
        read(shard)
    assert not copies_in(node)


def test_a_folder_that_is_not_there_is_named(shard, tmp_path, monkeypatch):
    monkeypatch.setenv(copies.VARIABLE, str(tmp_path / "none"))
    with pytest.raises(PipelineError, match=r"^PIPELINE_COPIES names .*none, which cannot be"):
        read(shard)
