"""`pipeline export`, and predictions by what it wrote."""

import json
import zipfile
from pathlib import Path

import pytest
import trained_runs
from typer.testing import CliRunner

from pipeline.cli.app import app


@pytest.fixture(scope="module")
def acc(tmp_path_factory) -> Path:
    return trained_runs.once(tmp_path_factory)


def run(*arguments):
    return CliRunner(env={"COLUMNS": "80"}).invoke(app, list(map(str, arguments)))


def test_predictions_need_the_file_alone(acc, tmp_path):
    """The same numbers in the same words as of the run itself."""
    out, clip = tmp_path / "elsewhere" / "tiny.run", trained_runs.tested(acc)[0]["path"]
    done = run("export", acc.parent, "--out", out)
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith(f"{out}: tiny split1, 3 classes, appearance, motion, ")
    said = []
    for trained in (acc, out):
        file = tmp_path / "said.json"
        assert run("predict", trained, clip, "--json", file).exit_code == 0
        said.append(json.loads(file.read_text()))
        (video,) = said[-1]["videos"]
        video.pop("took_seconds")
    assert said[0] == said[1]


def test_the_training_clips_are_known(acc, tmp_path):
    out = tmp_path / "tiny.run"
    run("export", acc, "--out", out)
    clip = acc.parents[3] / "videos" / "SwayFew" / "v_SwayFew_g02_c01.avi"
    assert "trained on this very video" in run("predict", out, clip).stdout


def test_the_card_has_the_numbers_of_the_run(acc, tmp_path):
    out = tmp_path / "tiny.run"
    run("export", acc, "--out", out)
    with zipfile.ZipFile(out) as file:
        card = file.read("README.md").decode()
    result = json.loads(acc.read_text())
    for share in result["accuracy"].values():
        assert f"| {share:.1%} | " in card
    assert "2 test clips of split1 of tiny" in card and "trained on 1 clip." in card
    for number, name in enumerate(trained_runs.CLASSES, start=1):
        assert f"{number}. {name}\n" in card


def test_an_export_can_be_exported_again(acc, tmp_path):
    run("export", acc, "--out", tmp_path / "a.run")
    assert run("export", tmp_path / "a.run", "--out", tmp_path / "b.run").exit_code == 0
    assert (tmp_path / "a.run").read_bytes() == (tmp_path / "b.run").read_bytes()


def test_what_cannot_be_is_one_sentence(acc, tmp_path):
    done = run("export", acc, "--out", tmp_path)
    assert done.exit_code == 1 and "this is a folder" in done.stderr
    done = run("export", tmp_path / "none", "--out", tmp_path / "a.run")
    assert done.exit_code == 1 and "there is no such run" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_help_has_an_example():
    done = run("export", "--help")
    assert "pipeline export results/demo/split1 --out demo.run" in done.stdout
