"""Late fusion, on published scores of other methods and on cases small enough to do by hand."""

import numpy as np
import pytest

from pipeline.errors import PipelineError
from pipeline.evaluation import fusion, metrics
from pipeline.evaluation.score_files import Scores
from pipeline.streams import DIRECTIONS, STREAMS

# Four clips of classes a, b and c, worked out by hand; no clip is of c.
VALUES = np.array([[3.0, 2, 1], [1, 3, 2], [1, 2, 3], [2, 3, 1]])
LABELS = np.array([0, 0, 1, 1])

# Weights of the sources, and accuracies in percent on the three splits of UCF101, as the README of
# the test material has them.
PUBLISHED = {
    "idt": ({"idt": 1}, (83.61, 85.59, 84.28)),
    "rgb": ({"rgb": 1}, (86.78, 87.06, 87.15)),
    "flow": ({"flow": 1}, (88.40, 91.81, 91.31)),
    "rgb+flow": ({"rgb": 1, "flow": 1}, (93.31, 94.67, 94.75)),
    "rgb+1.5 flow": ({"rgb": 1, "flow": 1.5}, (93.68, 94.83, 95.10)),
    "rgb+1.5 flow+4 idt": ({"rgb": 1, "flow": 1.5, "idt": 4}, (94.21, 96.17, 95.08)),
}


@pytest.mark.parametrize("weights, expected", PUBLISHED.values(), ids=PUBLISHED)
def test_published_accuracies(published, weights, expected):
    for split, percent in zip((1, 2, 3), expected, strict=True):
        data = published[split]
        fused = fusion.combine([data[name] for name in weights], list(weights.values()))
        assert 100 * metrics.accuracy(fused, data["labels"]) == pytest.approx(
            percent, abs=0.005 + 1e-9
        )


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


def scores(**changed) -> Scores:
    return Scores(
        **(
            {"clips": list("wxyz"), "labels": LABELS, "classes": list("abc"), "values": VALUES}
            | changed
        )
    )


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


@pytest.mark.parametrize(
    "how, expected",
    [
        ("none", [[3, 4], [0, 0]]),
        ("l2", [[0.6, 0.8], [0, 0]]),
        ("softmax", [[1 / (1 + np.e), np.e / (1 + np.e)], [0.5, 0.5]]),
    ],
)
def test_normalisation_by_hand(how, expected):
    assert fusion.normalise(np.array([[3.0, 4.0], [0.0, 0.0]]), how) == pytest.approx(
        np.array(expected)
    )


def test_a_run_is_fused_from_its_sources():
    """Two streams; with directions their sum is the headline; with trajectories a mean of both."""
    sources = {
        name: scores(values=factor * VALUES)
        for name, factor in zip([*STREAMS, *DIRECTIONS, "idt"], (1, 10, 2, 3, 7), strict=True)
    }
    settings = {
        "weights": {
            "appearance": 1.0,
            "motion": 0.5,
            "appearance-to-motion": 1.0,
            "motion-to-appearance": 2.0,
        },
        "idt": {"weight": 0.25, "normalise": "none"},
    }
    factors = {"appearance": 1, "motion": 10, "two_stream": 6, "asyn": 8, "idt": 7}
    factors["asyn_idt"] = 0.75 * 8 + 0.25 * 7
    fused, headline = fusion.fuse(sources, settings)
    assert headline == "asyn" and list(fused) == list(factors)
    for name, factor in factors.items():
        np.testing.assert_allclose(fused[name], factor * VALUES)
    streams, headline = fusion.fuse({name: sources[name] for name in STREAMS}, settings)
    assert headline == "two_stream" and list(streams) == ["appearance", "motion", "two_stream"]
    directions, headline = fusion.fuse({name: sources[name] for name in DIRECTIONS}, settings)
    assert headline == "asyn" and list(directions) == ["asyn"]
