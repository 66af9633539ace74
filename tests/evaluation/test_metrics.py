"""Accuracies, on published scores and on cases small enough to do by hand."""

import json

import numpy as np
import pytest

from pipeline.evaluation import metrics

# Four clips of classes a, b and c, worked out by hand; no clip is of c.
VALUES = np.array([[3.0, 2, 1], [1, 3, 2], [1, 2, 3], [2, 3, 1]])
LABELS = np.array([0, 0, 1, 1])


def test_summary_of_published_scores(published):
    data = published[1]
    classes = [str(name) for name in data["classes"]]
    fused = {"rgb": data["rgb"], "sum": data["rgb"] + data["flow"]}
    found = metrics.summary(fused, data["labels"], classes, headline="sum")
    assert found["clips"] == 3783 and found["classes"] == 101 and found["headline"] == "sum"
    assert found["accuracy"]["sum"] == pytest.approx(0.9331, abs=5e-5)
    assert found["accuracy"]["sum"] < found["top5_accuracy"]["sum"] <= 1
    matrix = np.array(found["confusion"]["matrix"])
    assert matrix.sum() == 3783 and np.trace(matrix) == round(found["accuracy"]["sum"] * 3783)
    assert (matrix.sum(axis=1) == np.bincount(data["labels"])).all()
    shares = np.diag(matrix) / matrix.sum(axis=1)
    assert found["mean_class_accuracy"]["sum"] == pytest.approx(shares.mean())
    assert [found["per_class"][name]["sum"] for name in classes] == pytest.approx(shares)
    assert sum(entry["clips"] for entry in found["per_class"].values()) == 3783


def test_accuracy_by_hand():
    assert [metrics.accuracy(VALUES, LABELS, top) for top in (1, 2, 3, 5)] == [0.5, 0.75, 1.0, 1.0]


def test_equal_scores_count_by_class_number():
    assert metrics.accuracy(np.zeros((2, 3)), np.array([0, 1])) == 0.5
    assert metrics.accuracy(np.zeros((2, 3)), np.array([1, 2]), top=2) == 0.5


def test_top_5():
    # Class 9 is the likeliest of every clip.
    values = np.tile(np.arange(10.0), (10, 1))
    assert metrics.accuracy(values, np.arange(10), top=5) == 0.5


def test_per_class_and_confusion_by_hand():
    assert metrics.per_class_accuracy(VALUES, LABELS) == pytest.approx(
        [0.5, 0.5, np.nan], nan_ok=True
    )
    assert metrics.confusion_matrix(VALUES, LABELS).tolist() == [[1, 1, 0], [0, 1, 1], [0, 0, 0]]


def test_summary_with_an_absent_class_is_json():
    found = metrics.summary({"one": VALUES, "two": -VALUES}, LABELS, list("abc"), headline="one")
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert set(found) == {
        "clips",
        "classes",
        "headline",
        "accuracy",
        "mean_class_accuracy",
        "per_class",
        "confusion",
    }
    assert found["accuracy"] == {"one": 0.5, "two": 0.25} and found["mean_class_accuracy"] == {
        "one": 0.5,
        "two": 0.25,
    }
    assert found["per_class"] == {
        "a": {"clips": 2, "one": 0.5, "two": 0.5},
        "b": {"clips": 2, "one": 0.5, "two": 0.0},
        "c": {"clips": 0, "one": None, "two": None},
    }
    assert found["confusion"]["classes"] == list("abc")
    assert found["confusion"]["matrix"] == [[1, 1, 0], [0, 1, 1], [0, 0, 0]]


@pytest.mark.parametrize("classes, stated", [(1, False), (5, False), (6, True)])
def test_top_5_is_stated_where_it_says_something(classes, stated):
    """Among five classes or fewer, every class is one of the five likeliest."""
    values, names = np.eye(6)[:, :classes], [f"class {n}" for n in range(classes)]
    found = metrics.summary({"one": values}, np.zeros(6, int), names, headline="one")
    assert ("top5_accuracy" in found) == stated
