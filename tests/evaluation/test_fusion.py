"""Fusion and evaluation, on published scores of other methods and on cases small enough to do by hand."""

import json

import numpy as np
import pytest

from pipeline.errors import PipelineError
from pipeline.evaluation import fusion, metrics
from pipeline.evaluation.score_files import Scores, read_scores
from pipeline.storage import writer

PUBLISHED = {  # accuracy in percent on the three splits of UCF101 (README.md of the test material)
    "idt": ({"idt": 1}, (83.61, 85.59, 84.28)),
    "rgb": ({"rgb": 1}, (86.78, 87.06, 87.15)),
    "flow": ({"flow": 1}, (88.40, 91.81, 91.31)),
    "rgb+flow": ({"rgb": 1, "flow": 1}, (93.31, 94.67, 94.75)),
    "rgb+1.5 flow": ({"rgb": 1, "flow": 1.5}, (93.68, 94.83, 95.10)),
    "rgb+1.5 flow+4 idt": ({"rgb": 1, "flow": 1.5, "idt": 4}, (94.21, 96.17, 95.08)),
}


@pytest.fixture(scope="module")
def published(shared) -> dict:
    folder = shared / "published_scores" / "aligned"
    return {split: dict(np.load(folder / f"ucf101_split{split}.npz")) for split in (1, 2, 3)}


@pytest.mark.parametrize("weights, expected", PUBLISHED.values(), ids=PUBLISHED)
def test_published_accuracies(published, weights, expected):
    for split, percent in zip((1, 2, 3), expected, strict=True):
        data = published[split]
        fused = fusion.combine([data[name] for name in weights], list(weights.values()))
        assert 100 * metrics.accuracy(fused, data["labels"]) == pytest.approx(
            percent, abs=0.005 + 1e-9
        )


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


def test_rows_find_each_other_by_name(published):
    data = published[1]
    names, classes = [str(name) for name in data["names"]], [str(name) for name in data["classes"]]
    order = np.random.default_rng(0).permutation(len(names))
    sources = {
        "rgb": Scores(names, data["labels"], classes, data["rgb"]),
        "flow": Scores(
            [names[i] for i in order], data["labels"][order], classes, data["flow"][order]
        ),
    }
    aligned = fusion.align(sources)
    assert aligned["flow"].clips == names and (aligned["flow"].values == data["flow"]).all()
    assert (aligned["flow"].labels == data["labels"]).all()


# By hand: four clips, classes a, b, c; no clip of c

VALUES = np.array([[3.0, 2, 1], [1, 3, 2], [1, 2, 3], [2, 3, 1]])
LABELS = np.array([0, 0, 1, 1])


def scores(**changed) -> Scores:
    return Scores(
        **(
            {"clips": list("wxyz"), "labels": LABELS, "classes": list("abc"), "values": VALUES}
            | changed
        )
    )


def test_accuracy_by_hand():
    assert [metrics.accuracy(VALUES, LABELS, top) for top in (1, 2, 3, 5)] == [0.5, 0.75, 1.0, 1.0]


def test_equal_scores_count_by_class_number():
    assert metrics.accuracy(np.zeros((2, 3)), np.array([0, 1])) == 0.5
    assert metrics.accuracy(np.zeros((2, 3)), np.array([1, 2]), top=2) == 0.5


def test_top_5():
    values = np.tile(np.arange(10.0), (10, 1))  # class 9 is the likeliest of every clip
    assert metrics.accuracy(values, np.arange(10), top=5) == 0.5


def test_per_class_and_confusion_by_hand():
    assert metrics.per_class(VALUES, LABELS) == pytest.approx([0.5, 0.5, np.nan], nan_ok=True)
    assert metrics.confusion(VALUES, LABELS).tolist() == [[1, 1, 0], [0, 1, 1], [0, 0, 0]]


def test_summary_with_an_absent_class_is_json():
    found = metrics.summary({"one": VALUES, "two": -VALUES}, LABELS, list("abc"), headline="one")
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert set(found) == {
        "clips",
        "classes",
        "headline",
        "accuracy",
        "mean_class_accuracy",
        "top5_accuracy",
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


def test_combine_by_hand():
    assert fusion.combine([VALUES, np.ones((4, 3))], [2.0, -1.0])[0].tolist() == [5, 3, 1]
    with pytest.raises(ValueError):
        fusion.combine([VALUES, VALUES], [1.0])


@pytest.mark.parametrize(
    "changed, parts",
    [
        ({"clips": list("wxyv")}, ["v", "z"]),
        ({"clips": list("wxy"), "labels": LABELS[:3], "values": VALUES[:3]}, ["z"]),
        ({"clips": list("wxyy")}, ["twice", "y"]),
        (
            {
                "clips": list("wxyzz"),
                "labels": np.array([0, 0, 1, 1, 1]),
                "values": np.ones((5, 3)),
            },
            ["twice", "z"],
        ),
        ({"classes": list("acb")}, ["classes"]),
        ({"classes": list("abcd"), "values": np.ones((4, 4))}, ["classes"]),
        ({"labels": np.array([0, 0, 1, 2])}, ["true class"]),
    ],
    ids=[
        "another clip",
        "missing",
        "doubled",
        "one more",
        "order of classes",
        "more classes",
        "labels",
    ],
)
def test_what_does_not_fit_is_refused(changed, parts):
    for sources in (
        {"first": scores(), "second": scores(**changed)},
        {"first": scores(**changed), "second": scores()},
    ):
        with pytest.raises(PipelineError) as caught:
            fusion.align(sources)
        message = str(caught.value)
        assert "\n" not in message and all(part in message for part in [*parts, "scores of "])


def write(path, values):
    with writer.create(path, "scores", {}, "code") as file:
        file["clips"], file["labels"], file["classes"] = (
            ["Run/w\u00e9", *"xyz"],
            LABELS,
            list("abc"),
        )
        file["scores"] = values


def test_scores_are_read_back(tmp_path):
    write(tmp_path / "scores.h5", VALUES.astype(np.float32))
    found = read_scores(tmp_path / "scores.h5")
    assert found.clips == ["Run/w\u00e9", "x", "y", "z"] and found.classes == ["a", "b", "c"]
    assert (found.labels == LABELS).all() and (found.values == VALUES).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_scores_must_be_numbers(tmp_path, bad):
    values = VALUES.copy()
    values[1, 2] = bad
    write(tmp_path / "scores.h5", values)
    with pytest.raises(PipelineError, match="clip 'x'") as caught:
        read_scores(tmp_path / "scores.h5")
    assert str(caught.value).startswith(f"{tmp_path / 'scores.h5'}: ")
