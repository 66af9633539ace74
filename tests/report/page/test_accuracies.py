"""Accuracies of the page: intervals, the paper's number, classes."""

import numpy as np
import page_cases
import pytest

from pipeline.report.page import accuracies
from pipeline.report.page.found import Found, find
from pipeline.report.page.paper import paper_numbers


@pytest.fixture
def found(tmp_path) -> Found:
    return find(page_cases.few(tmp_path))


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
    told = accuracies.headline(page_cases.of_paper())
    assert told["paper"] == {"share": pytest.approx(0.937), "where": "Table 2, split 1"}
    assert told["verdict"] == "it lies within the interval"
    assert paper_numbers(page_cases.of_paper())["asyn_idt"] == {
        "share": pytest.approx(0.952),
        "where": "Table 3, mean over three splits",
    }
    baseline = paper_numbers(page_cases.of_paper(split="split1/baseline/seed2"))
    assert baseline["two_stream"]["share"] == pytest.approx(0.898)


def test_the_verdict_says_how_far_the_paper_is():
    shares = {"asyn": 0.9}
    told = accuracies.headline(page_cases.of_paper(accuracy=shares, mean_class_accuracy=shares))
    assert told["verdict"] == "it is 3.7 points higher"


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
