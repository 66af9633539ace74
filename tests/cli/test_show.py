"""The command `pipeline show` as a user meets it."""

import json
import os

import pytest
from typer.testing import CliRunner

from pipeline.cli.app import app


def show(path):
    return CliRunner().invoke(app, ["show", str(path)])


RESULT = {
    "set": "demo",
    "split": "split1",
    "clips": 64,
    "classes": 8,
    "headline": "asyn",
    "accuracy": {"motion": 0.5, "asyn": 0.8125},
    "mean_class_accuracy": {"motion": 0.25, "asyn": 0.75},
    "top5_accuracy": {"motion": 0.9, "asyn": 1.0},
}


def test_accuracies_and_what_to_open(tmp_path):
    path = tmp_path / "acc.json"
    path.write_text(json.dumps(RESULT))
    done = show(path)
    assert done.exit_code == 0
    lines = done.stdout.splitlines()
    assert lines[0] == "demo split1: 64 test clips, 8 classes"
    assert lines[2].split() == ["motion", "(CO2FI)", "50.0%", "25.0%", "90.0%"]
    assert lines[3].endswith("81.2%      75.0% 100.0%  <- the result")
    assert str(tmp_path / "acc.png") in done.stdout
    assert f"pipeline inspect {tmp_path / 'motion' / 'scores.h5'}" in done.stdout


@pytest.mark.parametrize(
    "content, word",
    [
        (None, "there is no such"),
        ("[1]", "not a result"),
        ("{", "not a result"),
        ("[" * 100_000, "nested too deep"),
        (json.dumps(RESULT | {"clips": "\n" * 100_000}), "'clips' is no count"),
        (json.dumps(RESULT | {"data": 3}), "not a result"),
        (json.dumps(RESULT | {"data": {"skipped": {"count": 1}}}), "not a result"),
        (json.dumps(RESULT | {"data": {"leaks": {"groups": [1]}}}), "not a result"),
    ],
)
def test_other_files_are_answered_with_one_sentence(tmp_path, content, word):
    path = tmp_path / "acc.json"
    if content:
        path.write_text(content)
    done = show(path)
    assert done.exit_code == 1 and done.stdout == "" and done.stderr.count("\n") == 1
    assert done.stderr.startswith(f"error: {path}: ") and word in done.stderr


def test_folders_pipes_and_huge_files_are_no_results(tmp_path):
    os.mkfifo(tmp_path / "pipe.json")
    with open(tmp_path / "huge.json", "wb") as file:
        file.truncate(1 << 40)
    for name in ("", "pipe.json", "huge.json"):
        done = show(tmp_path / name)
        assert done.exit_code == 1 and "not a file of up to 64 MB" in done.stderr


def test_control_characters_do_not_reach_the_terminal(tmp_path):
    path = tmp_path / "acc.json"
    path.write_text(json.dumps(RESULT | {"set": "\x1b[2J"}))
    assert show(path).stdout.startswith("\\x1b[2J split1: 64 test clips")
