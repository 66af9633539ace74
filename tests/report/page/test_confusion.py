"""The confusion on the page: its order and its pairs."""

import numpy as np
import page_cases
import pytest

from pipeline.errors import PipelineError
from pipeline.report.page.confusion import confusion, similar_order
from pipeline.report.page.found import find


def test_confused_classes_become_neighbours():
    """Classes 0 and 3 are confused, and 1 and 4; class 2 is not."""
    matrix = np.diag([6, 6, 10, 6, 6])
    matrix[0, 3] = matrix[3, 0] = matrix[1, 4] = matrix[4, 1] = 4
    order = similar_order(matrix)
    assert sorted(order) == [0, 1, 2, 3, 4]
    place = {label: number for number, label in enumerate(order)}
    assert abs(place[0] - place[3]) == 1 and abs(place[1] - place[4]) == 1


@pytest.mark.parametrize("count", [1, 2, 3, 40])
def test_what_is_never_confused_keeps_its_order(count):
    assert similar_order(np.eye(count, dtype=int)) == list(range(count))


def test_pairs_come_in_the_order_of_their_clips(tmp_path):
    labels = np.array([0] * 5 + [1] * 4 + [2])
    predicted = np.array([0, 1, 1, 1, 2, 1, 0, 0, 1, 2])
    scores = {name: np.eye(3)[predicted] for name in ("appearance", "motion")}
    path = page_cases.write_result(tmp_path, scores, labels, ["Bow", "Jump", "Run"])
    told = confusion(find(path))
    assert [
        (pair["true"], pair["predicted"], pair["clips"], pair["of"]) for pair in told["pairs"]
    ] == [
        ("Bow", "Jump", 3, 5),
        ("Jump", "Bow", 2, 4),
        ("Bow", "Run", 1, 5),
    ]
    assert told["wrong"] == 6 and told["totals"] == [5, 4, 1]
    assert sorted(map(tuple, told["cells"])) == [
        (0, 0, 1), (0, 1, 3), (0, 2, 1), (1, 0, 2), (1, 1, 2), (2, 2, 1),
    ]  # fmt: skip


def test_at_most_twenty_pairs_are_told(tmp_path):
    count = 30
    labels = np.arange(count)
    scores = {name: np.eye(count)[(labels + 1) % count] for name in ("appearance", "motion")}
    path = page_cases.write_result(tmp_path, scores, labels, [f"C{n}" for n in labels])
    assert len(confusion(find(path))["pairs"]) == 20


@pytest.mark.parametrize("matrix", [[[1]], [[1, "a"], [0, 1]], 3, [[-1, 0], [0, 1]]])
def test_a_matrix_that_is_none_is_said(tmp_path, matrix):
    path = page_cases.few(tmp_path, confusion={"classes": ["A", "B"], "matrix": matrix})
    with pytest.raises(PipelineError, match="cannot be read"):
        confusion(find(path))


def test_a_result_without_confusion_is_said(tmp_path):
    with pytest.raises(PipelineError, match="no part 'confusion'"):
        confusion(find(page_cases.few(tmp_path, confusion=None)))
