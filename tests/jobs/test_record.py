"""Records beside artifacts."""

import json
import platform

import numpy
import pytest

from pipeline.errors import PipelineError, remake
from pipeline.files import SEALS, seal_of
from pipeline.jobs import record


def test_record_says_what_made_it(tmp_path, monkeypatch):
    monkeypatch.setattr(record, "_begun", record.time.monotonic() - 3)
    path = tmp_path / "000.json"
    record.write(path, "frames", "abc", {"decode": {"short_side": 256}}, "c0de", clips=3)
    assert sorted(file.name for file in tmp_path.iterdir()) == [
        SEALS,
        "000.content.json",
        "000.json",
    ]
    found = record.read(path)
    assert found == json.loads(path.read_text())
    expected = {
        "stage": "frames",
        "digest": "abc",
        "settings": {"decode": {"short_side": 256}},
        "code": "c0de",
        "clips": 3,
    }
    assert expected.items() <= found.items()
    assert (
        found["python"] == platform.python_version()
        and found["packages"]["numpy"] == numpy.__version__
    )
    assert found["seconds"] == pytest.approx(3, abs=1)


def test_packages_that_are_not_there_are_said_so(monkeypatch):
    monkeypatch.setattr(record, "PACKAGES", ("numpy", "no-such-package-1"))
    assert record.versions() == {"numpy": numpy.__version__, "no-such-package-1": "not installed"}


def test_the_content_file_says_what_an_artifact_is_and_no_more(tmp_path, monkeypatch):
    """It is the same however long the job took and whatever code, versions and solver made it."""
    contents = []
    for code, seconds, solver in (("c1", 3, "cpu 1"), ("c2", 80, "cuda 1")):
        monkeypatch.setattr(record, "_begun", record.time.monotonic() - seconds)
        path = tmp_path / "000.json"
        record.write(path, "flow", "abc", {"bound": 5}, code, solver=solver, clips=3)
        contents.append(record.content_path(tmp_path / "000.h5").read_text())
    assert contents[0] == contents[1]
    assert json.loads(contents[0]) == {"digest": "abc"}
    found = json.loads(path.read_text())
    assert (found["code"], found["solver"]) == ("c2", "cuda 1")


@pytest.mark.parametrize("damage", [b'{"digest": "abd"}', b"", bytes(300), b"\xff{", b"[]", b"{}"])
@pytest.mark.parametrize("sealed", [True, False])
def test_a_damaged_record_is_refused(tmp_path, damage, sealed):
    """With its seal in any case, else where it is no record."""
    path = tmp_path / "000.json"
    record.write(path, "flow", "abc", {}, "c0de")
    whole = path.read_bytes()
    path.write_bytes(damage)
    if not sealed:
        seal_of(path).unlink()
    if not sealed and b"digest" in damage:
        assert record.read(path) == {"digest": "abd"}
        return
    with pytest.raises(PipelineError) as caught:
        record.read(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ") and "\n" not in message
    # Nothing proves that what else is there is the pipeline's; nothing at all can be deleted.
    assert (remake(path) in message) == (sealed and len(damage) in (0, len(whole)))
