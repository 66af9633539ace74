"""Several results side by side."""

import json

import numpy as np
import page_cases
import pytest

from pipeline.report.page.comparison import compare
from pipeline.report.page.found import find


def two_streams(folder, predicted, run):
    labels = np.array([0, 0, 0, 0, 1, 1, 1, 1])
    scores = {name: np.eye(2)[predicted] for name in ("appearance", "motion")}
    return find(page_cases.write_result(folder, scores, labels, ["Bow", "Jump"], run=run))


@pytest.fixture
def three(tmp_path):
    """Right in 4, 6 and 5 of 8 clips; the second gains 3 on the first and loses 1."""
    return [
        two_streams(tmp_path, [0, 0, 0, 1, 0, 0, 0, 1], "split1"),
        two_streams(tmp_path, [0, 0, 1, 0, 1, 1, 0, 1], "split1/seed2"),
        two_streams(tmp_path, [0, 0, 0, 1, 0, 0, 1, 1], "split1/seed3"),
    ]


def test_differences_are_paired_by_clip(three):
    told = compare(three, ["a", "b", "c"])
    second, third = told["pairs"]
    assert (second["gain"], second["only_this"], second["only_first"]) == (0.25, 3, 1)
    # 1 of 4 by heads or tails, two-sided: (1 + 4) / 16 twice.
    assert second["p"] == pytest.approx(0.625) and third["p"] == 1
    assert second["corrected"] == 1 and told["unpaired"] == []
    low, high = second["interval"]
    assert low < 0.25 < high


def test_results_of_one_split_are_named_by_what_differs(three, tmp_path):
    assert compare(three, ["a", "b", "c"])["names"] == [
        "complete",
        "complete, seed 2",
        "complete, seed 3",
    ]
    other = find(page_cases.few(tmp_path / "other", run="split2"))
    assert compare([three[0], other], ["a", "b"])["names"] == ["a", "b"]
    # Of two folders they would be the same.
    assert compare([three[0], three[0]], ["a", "b"])["names"] == ["a", "b"]


def test_means_are_over_seeds(three):
    (mean,) = [row for row in compare(three, ["a", "b", "c"])["means"] if row["key"] == "motion"]
    assert mean["of"] == "split1, split1 seed 2, split1 seed 3"
    assert mean["mean"] == pytest.approx(5 / 8) and mean["deviation"] == pytest.approx(1 / 8)


def test_classes_have_a_column_for_each(three):
    rows = compare(three, ["a", "b", "c"])["classes"]
    assert [(row["name"], row["shares"]) for row in rows] == [
        ("Bow", [0.75, 0.75, 0.75]),
        ("Jump", [0.25, 0.75, 0.5]),
    ]


def test_results_of_other_clips_are_not_paired(three, tmp_path):
    other = find(page_cases.few(tmp_path / "other"))
    told = compare([three[0], other], ["a", "b"])
    assert told["pairs"] == [] and told["unpaired"] == ["b"] and told["classes"] == []
    keys = {source["key"]: len(source["rows"]) for source in told["sources"]}
    assert keys["appearance"] == 2 and keys["idt"] == 1


def test_a_result_without_scores_is_not_paired(three, tmp_path):
    alone = tmp_path / "alone" / "acc.json"
    alone.parent.mkdir()
    alone.write_text(json.dumps(three[1].result))
    assert compare([three[0], find(alone)], ["a", "b"])["unpaired"] == ["complete, seed 2"]
