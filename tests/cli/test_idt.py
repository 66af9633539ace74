"""The command `pipeline idt` as a user meets it; what it writes is tested with `pipeline.idt`."""

from pathlib import Path

from typer.testing import CliRunner

from pipeline.cli.app import app
from pipeline.errors import PipelineError
from pipeline.idt import features


def idt(*arguments):
    return CliRunner().invoke(app, ["idt", *map(str, arguments)])


def test_options_reach_the_extraction(monkeypatch):
    calls = []
    monkeypatch.setattr(features, "write", lambda *given: calls.append(given) or ["one", "two"])
    done = idt("a.avi", "--out", "a.h5", "--text", "a.txt", "--short-side", 64)
    assert done.exit_code == 0 and done.stdout == "one\ntwo\n"
    assert idt("a.avi", "--out", "a.h5").exit_code == 0
    assert calls == [
        (Path("a.avi"), Path("a.h5"), Path("a.txt"), 64),
        (Path("a.avi"), Path("a.h5"), None, None),
    ]


def test_errors_are_answered_with_one_sentence(monkeypatch):
    def write(*given):
        raise PipelineError("say where the trajectories go")

    monkeypatch.setattr(features, "write", write)
    done = idt("a.avi")
    assert done.exit_code == 1 and done.stdout == ""
    assert done.stderr == "error: say where the trajectories go\n"


def test_scales_below_16_pixels_are_refused():
    assert idt("a.avi", "--out", "a.h5", "--short-side", 8).exit_code == 2
