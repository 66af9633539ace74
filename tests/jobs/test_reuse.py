"""Outputs of an earlier run are taken over where nothing has changed in substance, and only
then.
"""

import json
import os

import pytest

from pipeline.jobs import reuse
from pipeline.jobs.reuse import Reuse


@pytest.fixture
def outputs(tmp_path):
    """Two outputs of a job, made and kept under the identity 'a'."""
    paths = [tmp_path / "run/model.pt", tmp_path / "run/model.json"]
    paths[0].parent.mkdir()
    for path in paths:
        path.write_text(f"content of {path.name}")
    Reuse(paths, "a").keep()
    return paths


def test_deleted_outputs_come_back(outputs):
    before = [path.read_bytes() for path in outputs]
    for path in outputs:
        path.unlink()
    assert Reuse(outputs, "a").take_over()
    assert [path.read_bytes() for path in outputs] == before


def test_another_identity_computes_anew(outputs):
    for path in outputs:
        path.unlink()
    assert not Reuse(outputs, {"code": "b"}).take_over()
    assert not any(path.exists() for path in outputs)


def test_nothing_was_kept(tmp_path):
    assert not Reuse([tmp_path / "model.pt"], "a").take_over()


@pytest.mark.parametrize("damage", ["changed", "missing"])
def test_damaged_copies_are_not_taken_over(outputs, damage):
    """A kept file is a link: what damages the output in place damages it, too."""
    if damage == "changed":
        outputs[0].write_text("damaged")
    else:
        (outputs[0].parent / ".kept/model/0-model.pt").unlink()
    assert not Reuse(outputs, "a").take_over()


def test_only_the_last_run_is_kept(outputs):
    for path in outputs:
        path.unlink()
        path.write_text("another")
    Reuse(outputs, "b").keep()
    assert not Reuse(outputs, "a").take_over() and Reuse(outputs, "b").take_over()
    assert outputs[0].read_text() == "another"


def test_copies_take_no_room(outputs):
    assert all(path.stat().st_nlink == 2 for path in outputs)


def test_outputs_taken_over_are_new_to_snakemake(outputs):
    os.utime(outputs[0], (1, 1))
    assert Reuse(outputs, "a").take_over()
    assert outputs[0].stat().st_mtime > 1e9


def test_only_the_first_process_writes(outputs, monkeypatch):
    monkeypatch.setenv("RANK", "1")
    for path in outputs:
        path.unlink()
    assert Reuse(outputs, "a").take_over()
    assert not outputs[0].exists()


def test_a_file_system_without_links_keeps_nothing(outputs, monkeypatch):
    def refuse(*_):
        raise OSError("not supported")

    monkeypatch.setattr(os, "link", refuse)
    Reuse(outputs, "a").keep()
    assert not Reuse(outputs, "a").take_over() and outputs[0].exists()
    assert not list(outputs[0].parent.glob(".kept/*"))


def test_inputs_count_by_what_they_are(tmp_path):
    """Artifacts by their content files, shards by the clips that are read, other files by their
    bytes.
    """
    (tmp_path / "train.csv").write_text("clip,shard\na,001\nb,000\nc,001\n")
    (tmp_path / "groups.h5").write_text("large")
    (tmp_path / "flow").mkdir()

    def say(name: str, digest: str) -> None:
        (tmp_path / f"{name}.content.json").write_text(json.dumps({"digest": digest}))

    def digest() -> str:
        clips = tmp_path / "train.csv"
        return reuse.input_digest([tmp_path / "groups.h5", clips], [tmp_path / "flow"], clips)

    for name in ("groups", "flow/000", "flow/001", "flow/002"):
        say(name, "1")
    before = digest()
    (tmp_path / "groups.h5").write_text("other bytes, such as another time of writing")
    say("flow/002", "2")  # no clip of the table
    assert digest() == before
    for name in ("groups", "flow/000", "flow/001"):
        say(name, "2")
        assert digest() != before
        say(name, "1")
    (tmp_path / "train.csv").write_text("clip,shard\na,001\nb,000\n")
    assert digest() != before
