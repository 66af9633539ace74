"""Contents of acc.json: results are taken as they are, others refused in one sentence."""

import json

import pytest

from pipeline.errors import PipelineError
from pipeline.evaluation.results import parse

SHARES = {"motion": 0.5, "asyn": 1}
RESULT = {
    "set": "demo",
    "split": "split1",
    "clips": 64,
    "classes": 8,
    "headline": "asyn",
    "accuracy": SHARES,
    "mean_class_accuracy": SHARES,
    "top5_accuracy": SHARES,
    "per_class": {"Run": {"clips": 0, "motion": None, "asyn": None}, "Bow": {"clips": 3} | SHARES},
    "data": {
        "skipped": {"count": 1, "train": {"Run/a": "no video"}, "test": {}},
        "leaks": {"groups": {"count": 0}},
    },
    "more": [None, -1e300],
}


def without(*keys: str) -> dict:
    return {key: value for key, value in RESULT.items() if key not in keys}


@pytest.mark.parametrize("result", [RESULT, without("top5_accuracy"), without("per_class", "more")])
def test_results_are_taken_as_they_are(result):
    assert parse(json.dumps(result).encode(), "acc.json") == result
    assert parse(json.dumps(result).encode("utf-16"), "acc.json") == result


@pytest.mark.parametrize(
    "content, words",
    [
        (b"", "Expecting value"),
        (b"\x89HDF\r\n\x1a\n", "utf-8"),
        (b"[1]", "it holds list"),
        (b"3", "it holds int"),
        (b"null", "it holds NoneType"),
        (b"[" * 100_000, "nested too deep"),
        (b'{"a":' * 100_000, "nested too deep"),
        (b'{"clips": ' + b"9" * 5000 + b"}", "integer string"),
        (b"a,b\n1,2\n", "Expecting value"),
    ],
)
def test_other_contents_are_refused(content, words):
    with pytest.raises(PipelineError, match=f"^acc.json: not a result .*{words}") as caught:
        parse(content, "acc.json")
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 300


@pytest.mark.parametrize(
    "changed, words",
    [
        *(
            ({key: None}, f"'{key}'")
            for key in without("top5_accuracy", "per_class", "data", "more")
        ),
        ({"clips": 0}, "'clips' is no count"),
        ({"per_class": {"Run": {"clips": 1, "motion": None, "asyn": 1}}}, "class 'Run'"),
        ({"data": 3}, "'data' is no object"),
        ({"data": {"skipped": []}}, "'data' is no object"),
        ({"data": {"skipped": {"count": 1}}}, "does not name the clips of train"),
        ({"data": {"skipped": {"count": "1"}}}, "'data' has no counts"),
        ({"data": {"leaks": {"groups": 1}}}, "'data' has no counts"),
        ({"set": 3}, "'set' is no text"),
        ({"clips": True}, "'clips' is no count"),
        ({"clips": -1}, "'clips' is no count"),
        ({"classes": 1.5}, "'classes' is no count"),
        ({"classes": 10**400}, "'classes' is no count"),
        ({"headline": "idt"}, "'accuracy' lacks a source"),
        ({"accuracy": [0.5]}, "'accuracy' has no numbers"),
        ({"accuracy": {"asyn": float("nan")}}, "'accuracy' has no numbers"),
        ({"accuracy": {"asyn": float("inf")}}, "'accuracy' has no numbers"),
        ({"accuracy": {"asyn": 93.7}}, "'accuracy' has no numbers"),
        ({"accuracy": {"asyn": "1"}}, "'accuracy' has no numbers"),
        ({"mean_class_accuracy": {"asyn": 1}}, "'mean_class_accuracy' lacks"),
        ({"top5_accuracy": {}}, "'top5_accuracy' lacks"),
        ({"per_class": [1]}, "'per_class' is no object"),
        ({"per_class": {"Run": 1}}, "class 'Run'"),
        ({"per_class": {"Run": {"asyn": 1}}}, "class 'Run'"),
        ({"per_class": {"Run": {"clips": 1, "asyn": 2}}}, "class 'Run'"),
    ],
)
def test_results_with_other_values_are_refused(changed, words):
    with pytest.raises(PipelineError, match=words):
        parse(json.dumps(RESULT | changed).encode(), "acc.json")
