"""A result as lines of text."""

import json

import pytest

from pipeline.errors import PipelineError
from pipeline.report.text import read_result, result_lines

RESULT = {
    "set": "ucf101",
    "split": "split1",
    "clips": 3783,
    "classes": 101,
    "headline": "asyn",
    "accuracy": {"appearance": 0.817, "asyn": 0.937},
    "mean_class_accuracy": {"appearance": 0.8, "asyn": 0.93},
    "top5_accuracy": {"appearance": 0.95, "asyn": 1.0},
}


def test_headline_is_marked():
    head, _, first, second = result_lines(RESULT).splitlines()
    assert head == "ucf101 split1: 3783 test clips, 101 classes"
    # Wilson (1927): of 3,783 clips by the formula.
    assert first.split() == ["appearance", "(CO2FI)", "81.7%", "80.4-82.9", "80.0%", "95.0%"]
    assert second.split()[2:] == ["93.7%", "92.9-94.4", "93.0%", "100.0%", "<-", "the", "result"]


def test_lines_fit_a_terminal():
    shares = {"asyn_idt": 1.0, "x" * 60: 1.0}
    result = RESULT | {"headline": "asyn_idt"}
    result |= dict.fromkeys(("accuracy", "mean_class_accuracy", "top5_accuracy"), shares)
    assert max(map(len, result_lines(result).splitlines())) <= 80


def test_results_of_few_classes_have_no_top_5():
    result = {key: value for key, value in RESULT.items() if key != "top5_accuracy"}
    _, heads, first, second = result_lines(result).splitlines()
    assert heads.split() == ["accuracy", "95%", "interval", "mean", "class"]
    assert first.split() == ["appearance", "(CO2FI)", "81.7%", "80.4-82.9", "80.0%"]
    assert second.split()[2:] == ["93.7%", "92.9-94.4", "93.0%", "<-", "the", "result"]


def test_bad_clips_and_leaks_are_told():
    leaks = {
        "groups": {"count": 2, "test_clips": 3, "names": ["ann", "bob"]},
        "copies": {"count": 0, "clips": []},
        "copies_in_several_classes": {"count": 1, "clips": [["A/1", "B/1"]]},
    }
    skipped = {"count": 2, "train": {"A/1": "empty", "B/1": "cut short"}, "test": {}}
    *_, first, second, third = result_lines(
        RESULT | {"data": {"skipped": skipped, "leaks": leaks}}
    ).splitlines()
    assert first == "bad clips left out: 2, of train 2 and of test 0: A/1, B/1"
    assert second == "leak: groups (scenes, people, films) in both train and test: 2"
    assert third == "leak: files in several classes: 1"


def test_results_are_read_back(tmp_path):
    path = tmp_path / "acc.json"
    path.write_text(json.dumps(RESULT))
    assert read_result(path) == RESULT


@pytest.mark.parametrize("content", ["no JSON", "[]", "{}", '{"headline": "asyn", "accuracy": {}}'])
def test_other_files_are_refused(tmp_path, content):
    path = tmp_path / "acc.json"
    path.write_text(content)
    with pytest.raises(PipelineError, match="not a result of this program"):
        read_result(path)
    with pytest.raises(PipelineError, match="there is no such file; make it with: snakemake"):
        read_result(tmp_path / "none.json")
