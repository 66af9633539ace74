"""The paper's tables beside ours: means, intervals, and restricted rows."""

import pytest
from scipy.stats import binomtest
from table_cases import CLASSES, PLAN, RESULTS, result

from pipeline.errors import PipelineError
from pipeline.evaluation import tables
from pipeline.evaluation.intervals import wilson


def test_cells_are_means_over_splits_then_seeds():
    filled = tables.fill("ucf101", PLAN, RESULTS)
    first, fused, mean, with_idt = filled["rows"]
    appearance, both = first["cells"]
    assert appearance["accuracy"] == pytest.approx(0.55) and appearance["seeds"] == pytest.approx(
        [0.5, 0.6]
    )
    assert (
        appearance["std"] == pytest.approx(0.1 / 2**0.5)
        and appearance["paper"] == 81.7
        and appearance["clips"] == 200
    )
    assert both["accuracy"] == pytest.approx(0.6) and both["paper"] is None
    assert fused["splits"] == ["split1"] and fused["cells"][0]["accuracy"] == pytest.approx(0.75)
    assert mean["splits"] == ["split1", "split2"] and mean["cells"][0]["seeds"] == pytest.approx(
        [0.8, 0.7]
    )
    assert mean["cells"][0]["clips"] == 300
    assert mean["cells"][0]["interval"] == pytest.approx(wilson(0.75, 300))
    assert with_idt["cells"][0]["accuracy"] is None
    assert tables.fill("hmdb51", PLAN, RESULTS)["rows"][0]["cells"][0]["paper"] == 55.5


def test_one_seed_has_no_deviation():
    cell = tables.cell([[result(0.5, 0.7)]], "asyn")
    assert cell["std"] is None and cell["accuracy"] == 0.7


def test_a_row_of_some_classes_counts_their_clips_alone():
    """30 clips of Walk, 15 of them right, and 10 of Run, 1 right; Rest has no test clips."""
    chosen = ["Walk", "Run", "Rest"]
    cell = tables.cell([[result(0.5, 0.7)]], "appearance", classes=chosen)
    expected = binomtest(16, 40).proportion_ci(0.95, method="wilson")
    assert cell["accuracy"] == pytest.approx(16 / 40) and cell["clips"] == 40
    assert cell["interval"] == pytest.approx((expected.low, expected.high), abs=1e-4)
    # 7 of 170 and 7 of 70 clips
    two = tables.cell([[result(0.5, 0.7), result(0.5, 0.7, 100)]], "asyn", classes=["Jump", "Run"])
    assert two["accuracy"] == pytest.approx((7 / 170 + 7 / 70) / 2) and two["clips"] == 240
    assert tables.cell([[result(0.5, 0.7)]], "idt", classes=chosen)["accuracy"] is None
    assert tables.cell([[result(0.5, 0.7)]], "asyn", classes=["Rest"])["accuracy"] is None


def test_unknown_classes_of_a_row_are_refused_with_the_nearest():
    plan = {"rows": [{"name": "Some", "classes": ["Walk", "Rum"]}, {"name": "All"}]}
    with pytest.raises(
        PipelineError, match="row 'Some'.*'Rum', which set 'ucf101' has not.*did you mean 'Run'"
    ):
        tables.check_classes("ucf101", plan, CLASSES)
    with pytest.raises(PipelineError, match="'Rum'"):
        tables.fill("ucf101", PLAN | {"rows": [PLAN["rows"][0] | {"classes": ["Rum"]}]}, RESULTS)
    tables.check_classes("ucf101", PLAN, CLASSES)
