"""Late fusion, on published scores of other methods and on cases small enough to do by hand."""

import json

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
        # Off their means by 0.5 and 0, so by sqrt(0.125) in quadratic mean.
        ("standardised", [[-np.sqrt(2), np.sqrt(2)], [0, 0]]),
    ],
)
def test_normalisation_by_hand(how, expected):
    assert fusion.normalise(np.array([[3.0, 4.0], [0.0, 0.0]]), how) == pytest.approx(
        np.array(expected)
    )


def test_standardised_scores_do_not_depend_on_unit_and_origin():
    """Logits, decision values and the log of probabilities differ by a factor, and by clip."""
    wanted = fusion.normalise(VALUES, "standardised")
    assert np.sqrt((wanted**2).mean()) == pytest.approx(1)
    origins = np.array([[-3.0], [0], [100], [7]])
    for factor in (1e-200, 0.056, 1e200):
        # Origins as large as the scores, which they swamp otherwise.
        moved = factor * (VALUES + origins)
        np.testing.assert_allclose(fusion.normalise(moved, "standardised"), wanted, atol=1e-9)
    log_probabilities = np.log(fusion.normalise(VALUES, "softmax"))
    np.testing.assert_allclose(
        fusion.normalise(log_probabilities, "standardised"), wanted, atol=1e-9
    )


def test_a_source_that_says_nothing_changes_nothing():
    same = np.full((4, 3), 0.1)
    assert fusion.spread(same) == 0 and not fusion.normalise(same, "standardised").any()
    sources = {"appearance": scores(values=same), "motion": scores()}
    fused = fusion.fuse(sources, SETTINGS)
    np.testing.assert_array_equal(fused.values["two_stream"].argmax(axis=1), VALUES.argmax(axis=1))


def test_of_two_classes_the_surer_source_wins():
    """Brought to one scale clip by clip, every source would say +1 and -1."""
    values = {"appearance": [[1.0, 0.0], [4.0, 0.0]], "motion": [[0.0, 6.0], [0.0, 2.0]]}
    sources = {
        name: Scores(["a", "b"], np.array([1, 0]), ["x", "y"], np.array(value))
        for name, value in values.items()
    }
    assert fusion.fuse(sources, SETTINGS).values["two_stream"].argmax(axis=1).tolist() == [1, 0]


SETTINGS = {
    "rule": "standardised",
    "weights": {
        "appearance": 1.0,
        "motion": 0.5,
        "appearance-to-motion": 1.0,
        "motion-to-appearance": 2.0,
    },
    "idt": {"weight": 0.25, "normalise": "none"},
}


def run_sources() -> dict[str, Scores]:
    return {
        name: scores(values=factor * VALUES)
        for name, factor in zip([*STREAMS, *DIRECTIONS, "idt"], (1, 10, 2, 3, 7), strict=True)
    }


def test_a_run_is_fused_by_the_paper():
    """Two streams; with directions their sum is the headline; with trajectories a mean of both."""
    sources, settings = run_sources(), SETTINGS | {"rule": "paper"}
    factors = {"appearance": 1, "motion": 10, "two_stream": 6, "asyn": 8, "idt": 7}
    factors["asyn_idt"] = 0.75 * 8 + 0.25 * 7
    fused = fusion.fuse(sources, settings)
    assert fused.headline == "asyn" and list(fused.values) == list(factors)
    for name, factor in factors.items():
        np.testing.assert_allclose(fused.values[name], factor * VALUES)
    assert fused.about == {
        "rule": "paper",
        "weights": settings["weights"],
        "idt": {"weight": 0.25, "normalise": "none"},
    }
    streams = fusion.fuse({name: sources[name] for name in STREAMS}, settings)
    assert streams.headline == "two_stream"
    assert list(streams.values) == ["appearance", "motion", "two_stream"]
    directions = fusion.fuse({name: sources[name] for name in DIRECTIONS}, settings)
    assert directions.headline == "asyn" and list(directions.values) == ["asyn"]


def test_a_run_is_fused_by_one_spread():
    """Sources that differ by a factor alone are one source, whatever their weights."""
    # Off the clips' means by -1, 0 and 1 in some order: two thirds in the mean square.
    unit = np.sqrt(2 / 3)
    standard = (VALUES - 2) / unit
    fused = fusion.fuse(run_sources(), SETTINGS)
    np.testing.assert_allclose(fused.values["two_stream"], 1.5 * standard, atol=1e-12)
    np.testing.assert_allclose(fused.values["asyn"], 3 * standard, atol=1e-12)
    np.testing.assert_allclose(fused.values["asyn_idt"], standard, atol=1e-12)
    for name, factor in (("appearance", 1), ("motion", 10), ("idt", 7)):
        np.testing.assert_array_equal(fused.values[name], factor * VALUES)
        assert fused.about["spreads"][name] == pytest.approx(factor * unit)
    assert fused.about["rule"] == "standardised" and fused.about["weights"] == SETTINGS["weights"]
    assert fused.about["idt"] == {"weight": 0.25, "normalise": "standardised"}


@pytest.mark.parametrize("rule", ["standardised", "paper"])
def test_a_clip_alone_is_fused_as_it_was_among_others(rule):
    """By the spreads that the result states, of which JSON keeps every bit."""
    rng = np.random.default_rng(3)
    sources = {
        name: scores(values=rng.normal(0, factor, VALUES.shape))
        for factor, name in enumerate((*STREAMS, *DIRECTIONS, "idt"), start=1)
    }
    fused = fusion.fuse(sources, SETTINGS | {"rule": rule})
    stated = json.loads(json.dumps(fused.about))
    for row in range(len(VALUES)):
        alone = {name: source.values[row : row + 1] for name, source in sources.items()}
        found = fusion.fuse_stated(alone, stated)
        assert found.headline == fused.headline and list(found.values) == list(fused.values)
        for name, values in found.values.items():
            np.testing.assert_array_equal(values, fused.values[name][row : row + 1])


def test_the_weaker_source_does_not_outvote_by_its_scale():
    """Decision values near -1 for every class beside confident logits, as on real clips."""
    rng = np.random.default_rng(0)
    labels = np.arange(400) % 10
    truth = np.eye(10)[labels]
    good = -1 + 0.05 * (3 * truth + rng.normal(size=truth.shape))
    poor = 4 * (0.3 * truth + rng.normal(size=truth.shape))
    clips, classes = [f"{n}" for n in range(400)], list("abcdefghij")
    sources = {
        name: Scores(clips, labels, classes, values)
        for name, values in zip([*DIRECTIONS, "idt"], (poor, poor, good), strict=True)
    }
    settings = SETTINGS | {"idt": {"weight": 0.5, "normalise": "l2"}}
    shares = {
        name: metrics.accuracy(values, labels)
        for name, values in fusion.fuse(sources, settings).values.items()
    }
    assert shares["asyn"] < 0.3 and shares["idt"] > 0.8
    paper = fusion.fuse(sources, settings | {"rule": "paper"}).values["asyn_idt"]
    assert metrics.accuracy(paper, labels) < shares["asyn_idt"] - 0.2
