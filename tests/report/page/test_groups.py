"""The teacher's classes over training clips."""

import json

import numpy as np
import page_cases
import pytest

from pipeline.errors import PipelineError
from pipeline.report.page.found import Found, find
from pipeline.report.page.groups import groups
from pipeline.storage import writer

# Four positions of class Jump (1): ranked first, third, second, and not among three.
RANKED = np.array([[1, 0, 2], [0, 2, 1], [0, 1, 2], [0, 2, 3]], np.uint16)


@pytest.fixture
def found(tmp_path) -> Found:
    path = page_cases.few(tmp_path, classes=["Bow", "Jump", "Run", "Sit"])
    result = json.loads(path.read_text())
    about = {"artifacts": {"results/own/split1/motion/groups.json": "0"}}
    result["provenance"]["stages"]["groups"] = about
    path.write_text(json.dumps(result))
    with writer.create(
        path.parent / "motion" / "groups.h5",
        "groups",
        {},
        "c0de",
        classes=["Bow", "Jump", "Run", "Sit"],
    ) as file:
        file["Jump/jump_1"] = RANKED
        file["Jump/jump_1"].attrs.update({"clip": "Jump/jump_1", "label": 1})
    return find(path)


def test_shares_are_of_positions_where_the_truth_is_ranked(found):
    told = groups(found)
    (stream,) = told["streams"]
    assert stream["key"] == "motion" and told["sizes"] == [5, 3, 1]
    assert stream["shares"] == [
        {"size": 1, "share": 0.25},
        {"size": 2, "share": 0.5},
        {"size": 3, "share": 0.75},
    ]


def test_strips_are_runs_of_one_class(found):
    (strip,) = groups(found)["streams"][0]["strips"]
    assert (strip["clip"], strip["class"], strip["positions"]) == ("Jump/jump_1", "Jump", 4)
    first = [(run["start"], run["length"], run["class"]) for run in strip["rows"][0]]
    assert first == [(0, 1, "Jump"), (1, 3, "Bow")]
    assert strip["rows"][0][0]["colour"] == "true"
    # The classes that are most often ranked come first.
    assert [entry["class"] for entry in strip["legend"]] == ["Jump", "Bow", "Run", "Sit"]


def test_without_rankings_the_reason_is_said(tmp_path):
    with pytest.raises(PipelineError, match="groups.h5, are not beside"):
        groups(find(page_cases.few(tmp_path)))
