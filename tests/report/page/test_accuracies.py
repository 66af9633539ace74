"""Accuracies of the page: intervals, the paper's numbers, classes, tables."""

import json
from pathlib import Path

import numpy as np
import page_cases
import pytest

from pipeline.errors import PipelineError
from pipeline.report.page import accuracies
from pipeline.report.page.found import Found, find


@pytest.fixture
def found(tmp_path) -> Found:
    return find(page_cases.few(tmp_path))


def of_paper(**changed) -> Found:
    """A result of UCF101 without anything beside it."""
    result = {
        "set": "ucf101",
        "split": "split1",
        "clips": 3783,
        "classes": 101,
        "headline": "asyn",
        "accuracy": {"two_stream": 0.93, "asyn": 0.94, "asyn_idt": 0.95},
        "mean_class_accuracy": {"two_stream": 0.93, "asyn": 0.94, "asyn_idt": 0.95},
    }
    return Found(Path("/nowhere/results/ucf101/split1/acc.json"), result | changed)


def test_the_headline_has_wilsons_interval(found):
    """9 of 18 clips: by Wilson's formula 0.5 -+ 1.96 sqrt(0.25 / 18 + 1.96^2 / 4 / 18^2) /
    (1 + 1.96^2 / 18), which is 0.2903 to 0.7097.
    """
    told = accuracies.headline(found)
    assert (told["key"], told["right"], told["clips"]) == ("asyn", 9, 18)
    assert told["low"] == pytest.approx(0.2903, abs=1e-4)
    assert told["high"] == pytest.approx(0.7097, abs=1e-4)
    assert told["paper"] is None


def test_the_papers_number_is_that_of_the_method():
    told = accuracies.headline(of_paper())
    assert told["paper"] == {"share": pytest.approx(0.937), "where": "Table 2, split 1"}
    assert told["verdict"] == "it lies within the interval"
    assert accuracies.paper_numbers(of_paper())["asyn_idt"] == {
        "share": pytest.approx(0.952),
        "where": "Table 3, mean over three splits",
    }
    baseline = accuracies.paper_numbers(of_paper(split="split1/baseline/seed2"))
    assert baseline["two_stream"]["share"] == pytest.approx(0.898)


def test_the_verdict_says_how_far_the_paper_is():
    shares = {"asyn": 0.9}
    told = accuracies.headline(of_paper(accuracy=shares, mean_class_accuracy=shares))
    assert told["verdict"] == "it is 3.7 points higher"


def test_the_papers_numbers_are_of_all_classes():
    assert accuracies.paper_numbers(of_paper(classes=6)) == {}
    assert accuracies.paper_numbers(of_paper(set="mine")) == {}


def test_classes_have_their_dumbbell_and_gain(found):
    told = accuracies.by_class(found)
    assert told["dots"] == ["appearance", "two_stream", "asyn", "idt"]
    row = told["rows"][0]
    assert (row["name"], row["clips"], row["low"], row["high"]) == ("Bow", 6, 0.5, 0.5)
    assert row["gain"] == 0 and row["shares"]["asyn_idt"] == pytest.approx(2 / 6)


def test_a_class_without_clips_has_no_numbers(tmp_path):
    scores = {"appearance": np.eye(2), "motion": np.eye(2)}
    classes = ["Bow", "Jump", "Run"]
    scores = {key: np.pad(values, ((0, 0), (0, 1))) for key, values in scores.items()}
    path = page_cases.write_result(tmp_path, scores, np.array([0, 1]), classes)
    row = accuracies.by_class(find(path))["rows"][2]
    assert row["clips"] == 0 and row["shares"]["appearance"] is None and row["low"] is None


def test_tables_are_those_of_tables_json(found):
    row = {"table": 1, "name": "Mine", "variant": "complete", "splits": ["split1"]}
    cell = {"source": "asyn", "paper": 93.7, "best": None, "accuracy": 0.5, "std": 0.1}
    cell |= {"interval": [0.4, 0.6], "seeds": [0.4, 0.6], "clips": 18}
    content = {"rows": [row | {"cells": [cell]}], "seeds": [1, 2], "set": "own"}
    (found.set_folder / "tables.json").write_text(json.dumps(content))
    told = accuracies.beside_the_paper(found)
    assert told["origin"] == "tables.json" and told["seeds"] == [1, 2]
    (table,) = told["tables"]
    assert [row["name"] for row in table["rows"]] == ["Mine"]
    assert table["rows"][0]["cells"][0]["accuracy"] == 0.5


def test_tables_without_tables_json_are_of_the_results_at_hand(found):
    told = accuracies.beside_the_paper(found)
    assert told["origin"] == "the results at hand of split1"
    rows = {row["name"]: row for table in told["tables"] for row in table["rows"]}
    assert rows["CO2FI+ASYN (D = 5)"]["cells"][1]["accuracy"] == 0.5
    # There is no baseline, and the paper has no number of this set.
    assert "Two-stream baseline" not in rows


def test_tables_with_nothing_in_them_are_left_out(tmp_path):
    path = page_cases.few(tmp_path, run="split1/baseline/seed2", sources=("appearance", "motion"))
    with pytest.raises(PipelineError, match="results/own/tables.json runs them"):
        accuracies.beside_the_paper(find(path))


def test_a_damaged_tables_json_is_said(found):
    (found.set_folder / "tables.json").write_text("{")
    with pytest.raises(PipelineError, match="none of this program"):
        accuracies.beside_the_paper(found)
