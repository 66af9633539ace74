"""The command `pipeline show` as a user meets it."""

import json
import os

import pytest
from result_cases import RESULT
from typer.testing import CliRunner

from pipeline.cli.app import app


def show(*arguments):
    return CliRunner().invoke(app, ["show", *map(str, arguments)])


def test_accuracies_and_what_to_open(tmp_path):
    path = tmp_path / "acc.json"
    path.write_text(json.dumps(RESULT))
    done = show(path)
    assert done.exit_code == 0
    lines = done.stdout.splitlines()
    assert lines[0] == "demo split1: 64 test clips, 8 classes"
    assert lines[2].split() == ["motion", "(CO2FI)", "50.0%", "38.1-61.9", "25.0%", "90.0%"]
    assert lines[3].endswith("81.2%    70.0-88.9       75.0% 100.0% <- the result")
    # Only what is there is to be opened.
    assert lines[4:] == ["", f"numbers and provenance  {path}"]
    (tmp_path / "acc.png").touch()
    (tmp_path / "motion").mkdir()
    (tmp_path / "motion" / "scores.h5").touch()
    printed = show(tmp_path).stdout
    assert f"picture                 {tmp_path / 'acc.png'}\n" in printed
    assert printed.endswith(f"pipeline inspect {tmp_path / 'motion' / 'scores.h5'}\n")


CONFUSED = {
    "per_class": {
        "Boxen (mit Händen)": {"clips": 32, "motion": 0.5, "asyn": 0.625},
        "跳": {"clips": 32, "motion": 0.5, "asyn": 1.0},
        "x" * 60: {"clips": 0, "motion": None, "asyn": None},
    },
    "confusion": {
        "classes": ["Boxen (mit Händen)", "跳", "x" * 60],
        "matrix": [[20, 2, 10], [0, 32, 0], [0, 0, 0]],
    },
}


def test_mistakes_are_told_as_far_as_they_are_wanted(tmp_path):
    path = tmp_path / "acc.json"
    path.write_text(json.dumps(RESULT | CONFUSED))
    text = show(path).stdout
    assert "worst classes of 2\n  Boxen (mit Händen) " in text and "20 of 32 clips   62.5%" in text
    assert "  跳" not in text.partition("most confused")[0]
    pairs = [" ".join(line.split()) for line in text.splitlines() if "taken for" in line]
    assert pairs == [
        f"Boxen (mit Händen) taken for {'x' * 12}..{'x' * 11} 10 of 32",
        "Boxen (mit Händen) taken for 跳 2 of 32",
    ]
    assert "2 of 32" not in show(path, "--top", 1).stdout
    assert "worst" not in show(path, "--top", 0).stdout
    assert show(path, "--top", -1).exit_code == 2


def test_several_results_have_their_mean(tmp_path):
    for seed, share in ((1, 0.75), (2, 0.875)):
        folder = tmp_path / f"seed{seed}"
        folder.mkdir()
        (folder / "acc.json").write_text(json.dumps(RESULT | {"accuracy": {"asyn": share}}))
    done = show(tmp_path / "seed1", tmp_path / "seed2" / "acc.json")
    assert done.exit_code == 0
    assert done.stdout.splitlines()[0] == str(tmp_path / "seed1" / "acc.json")
    # The deviation is 0.125 / sqrt(2).
    mean = ["asynchronous", "fusion", "81.2%", "8.8%", "75.0%", "87.5%"]
    assert done.stdout.splitlines()[-1].split() == mean
    # What to open is told of one result only.
    assert "numbers and" not in done.stdout and "scores of each" not in done.stdout


def test_tables_are_shown(tmp_path):
    cell = {"source": "asyn", "paper": 94.0, "best": None, "accuracy": 0.9, "std": None}
    cell |= {"interval": [0.85, 0.95], "clips": 100}
    empty = {"source": "idt", "paper": None, "best": None, "accuracy": None}
    rows = [{"table": 0, "name": "Ours", "cells": [empty]}]
    rows += [{"table": 3, "name": "CO2FI + ASYN", "cells": [cell]}]
    path = tmp_path / "tables.json"
    path.write_text(json.dumps({"set": "ucf101", "seeds": [1, 2], "rows": rows}))
    lines = show(path).stdout.splitlines()
    assert lines[0] == "ucf101: accuracy in % of test clips, seeds 1, 2"
    assert lines[3].startswith("Table 3: ")
    assert lines[4].split("  ")[-1] == "90.0 [85.0, 95.0] (94.0)"
    assert lines[-2] == "Further rows" and lines[-1].split() == ["Ours", "IDT", "-"]
    path.write_text(json.dumps({"set": "ucf101", "seeds": [1, 2], "rows": [{}]}))
    done = show(path)
    assert done.exit_code == 1 and "not tables of this program" in done.stderr


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
    (tmp_path / "record.json").write_text('{"stage": "flow", "digest": "", "settings": {}}')
    for name, words in (
        ("pipe.json", "this is a named pipe; name an acc.json"),
        ("huge.json", "larger than 64 MB, which no result is"),
        ("record.json", "this is the record of how a file was made; name"),
    ):
        done = show(tmp_path / name)
        assert done.exit_code == 1 and f"{tmp_path / name}: {words}" in done.stderr
    done = show(tmp_path)
    assert done.exit_code == 1 and f"{tmp_path}: there is no acc.json in this" in done.stderr
    (tmp_path / "split1").mkdir()
    (tmp_path / "split1" / "acc.json").write_text(json.dumps(RESULT))
    assert f"name one of {tmp_path / 'split1' / 'acc.json'}" in show(tmp_path).stderr


def test_a_picture_is_told_as_one(tmp_path):
    path = tmp_path / "acc.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n")
    done = show(path)
    assert done.exit_code == 1 and done.stderr.startswith(f"error: {path}: this is a PNG picture;")


def test_control_characters_do_not_reach_the_terminal(tmp_path):
    path = tmp_path / "acc.json"
    path.write_text(json.dumps(RESULT | {"set": "\x1b[2J"}))
    assert show(path).stdout.startswith("\\x1b[2J split1: 64 test clips")
