"""What a result gets wrong, worked out by hand."""

import numpy as np

from pipeline.report.layout import columns_of
from pipeline.report.mistakes import confused_pairs, mistake_lines

RESULT = {
    "headline": "asyn",
    "per_class": {
        "Bow": {"clips": 10, "asyn": 0.9},
        "Jump": {"clips": 4, "asyn": 0.25},
        "Run": {"clips": 5, "asyn": 1.0},
        "Sit": {"clips": 0, "asyn": None},
    },
    "confusion": {
        "classes": ["Bow", "Jump", "Run", "Sit"],
        "matrix": [[9, 0, 0, 1], [2, 1, 1, 0], [0, 0, 5, 0], [0, 0, 0, 0]],
    },
}


def test_worst_classes_and_confused_pairs():
    lines = [" ".join(line.split()) for line in mistake_lines(RESULT, 5)]
    # Wilson's intervals of 1 in 4 and of 9 in 10, by the formula.
    assert lines == [
        "worst classes of 3",
        "Jump 1 of 4 clips 25.0% 4.6-69.9",
        "Bow 9 of 10 clips 90.0% 59.6-98.2",
        "most confused of 4 wrong clips",
        "Jump taken for Bow 2 of 4",
        "Bow taken for Sit 1 of 10",
        "Jump taken for Run 1 of 4",
    ]
    assert len(mistake_lines(RESULT, 1)) == 4


def test_nothing_is_said_of_what_is_not_there():
    assert mistake_lines({"headline": "asyn"}, 5) == []
    right = {"Bow": {"clips": 2, "asyn": 1.0}}
    confusion = {"classes": ["Bow"], "matrix": [[2]]}
    assert mistake_lines({"headline": "asyn", "per_class": right, "confusion": confusion}, 5) == []
    for damaged in (3, {}, {"classes": ["a"], "matrix": [[1, 2]]}, {"classes": 3, "matrix": "x"}):
        assert mistake_lines({"headline": "asyn", "confusion": damaged}, 5) == []


def test_pairs_are_sorted_by_clips():
    assert confused_pairs(np.array([[5, 1, 0], [0, 2, 7], [3, 0, 0]])) == [(1, 2), (2, 0), (0, 1)]


def test_lines_of_any_names_fit_a_terminal():
    names = ["Über" * 20, "跳跃" * 20]
    classes = {name: {"clips": 100_000, "asyn": 0.5} for name in names}
    confusion = {"classes": names, "matrix": [[50_000, 50_000], [50_000, 50_000]]}
    lines = mistake_lines({"headline": "asyn", "per_class": classes, "confusion": confusion}, 5)
    assert len(lines) == 6 and max(map(columns_of, lines)) <= 80
