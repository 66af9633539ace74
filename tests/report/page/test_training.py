"""Losses over training."""

import json

import page_cases
import pytest

from pipeline.errors import PipelineError
from pipeline.report.page.found import find
from pipeline.report.page.training import curves


def with_histories(path, histories):
    """The result at `path`, of which stages have histories by the folder of a network."""
    result = json.loads(path.read_text())
    for (stage, folder), lines in histories.items():
        artifacts = {f"results/own/split1/{folder}/{stage}.json": "0"}
        about = result["provenance"]["stages"].setdefault(stage, {"artifacts": {}})
        about["artifacts"] |= artifacts
        (path.parent / folder / f"{stage}.history.jsonl").write_text("\n".join(lines))
    path.write_text(json.dumps(result))
    return find(path)


def test_curves_are_by_stage_and_network(tmp_path):
    lines = [json.dumps({"iteration": i, "loss": 5.0 / i, "lr": 0.1}) for i in range(1, 1001)]
    broken = ['{"iteration": 10, "loss": NaN}', '{"iteration": 20, "loss": 2}', "{"]
    found = with_histories(
        page_cases.few(tmp_path),
        {("co2fi", "appearance"): lines, ("co2fi", "motion"): broken, ("teacher", "motion"): lines},
    )
    teacher, streams = curves(found)
    assert [line["name"] for line in streams["curves"]] == ["appearance", "motion"]
    appearance, motion = streams["curves"]
    assert appearance["last"] == 0.005 and len(appearance["points"]) <= 160
    assert motion["points"] == [(20, 2)]
    assert streams["iterations"] == 1000 and teacher["curves"][0]["key"] == "motion"


def test_without_histories_the_reason_is_said(tmp_path):
    with pytest.raises(PipelineError, match="No histories of losses"):
        curves(find(page_cases.few(tmp_path)))
