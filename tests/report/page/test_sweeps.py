"""Accuracies over the weights of fusions."""

import numpy as np
import page_cases
import pytest

from pipeline.errors import PipelineError
from pipeline.report.page.found import find
from pipeline.report.page.sweeps import sweeps


def test_the_ends_are_the_sides_alone_and_the_run_is_on_the_curve(tmp_path):
    found = find(page_cases.few(tmp_path))
    curves = {curve["key"]: curve for curve in sweeps(found)}
    assert list(curves) == ["two_stream", "asyn", "asyn_idt"]
    accuracy = found.result["accuracy"]
    assert curves["two_stream"]["points"][0] == (0, accuracy["appearance"])
    assert curves["two_stream"]["points"][-1] == (1, accuracy["motion"])
    assert curves["asyn_idt"]["points"][0] == (0, accuracy["asyn"])
    assert curves["asyn_idt"]["points"][-1] == (1, accuracy["idt"])
    for key, curve in curves.items():
        assert curve["own"] == 0.5 and dict(curve["points"])[0.5] == accuracy[key]


def test_weights_decide_between_two_sides(tmp_path):
    """Of one spread, the side with more weight has its way; at equal weights the first class."""
    scores = {
        "appearance": np.array([[1.0, 0], [0, 1.0]]),
        "motion": np.array([[0, 1.0], [1.0, 0]]),
    }
    path = page_cases.write_result(tmp_path, scores, np.array([0, 1]), ["Bow", "Jump"])
    (curve,) = sweeps(find(path))
    shares = dict(curve["points"])
    assert shares[0] == shares[0.45] == 1 and shares[0.55] == shares[1] == 0
    assert shares[0.5] == 0.5 == curve["own_accuracy"]
    assert (curve["best"], curve["best_accuracy"]) == (0, 1)


def test_without_fusion_there_is_no_sweep(tmp_path):
    path = page_cases.few(tmp_path, sources=("appearance", "motion"))
    found = find(path)
    found.fused.values.pop("two_stream")
    with pytest.raises(PipelineError, match="Nothing is fused"):
        sweeps(found)
