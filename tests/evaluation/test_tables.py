"""The paper's tables beside ours: means, intervals, and what is written."""

import pytest
from scipy.stats import binomtest

from pipeline.errors import PipelineError
from pipeline.evaluation import tables
from pipeline.evaluation.intervals import wilson
from pipeline.report.tables import markdown

PLAN = {
    "splits": ["split1", "split2"],
    "seeds": [1, 2],
    "rows": [
        {
            "table": 1,
            "name": "Whole",
            "variant": "complete",
            "sources": ["appearance", "two_stream"],
            "paper": {"ucf101": {"appearance": 81.7}, "hmdb51": {"appearance": 55.5}},
        },
        {
            "table": 2,
            "name": "Fused",
            "variant": "complete",
            "sources": ["asyn"],
            "splits": "first",
        },
        {
            "table": 3,
            "name": "Mean",
            "variant": "complete",
            "sources": ["asyn"],
            "splits": "all",
            "paper": {"ucf101": {"asyn": 94.3}},
        },
        {
            "table": 3,
            "name": "With IDT",
            "variant": "complete",
            "sources": ["asyn_idt"],
            "splits": "all",
        },
    ],
}


CLASSES = ["Walk", "Run", "Jump", "Rest"]


def result(appearance: float, asyn: float, clips: int = 200) -> dict:
    return {
        "accuracy": {"appearance": appearance, "two_stream": appearance + 0.05, "asyn": asyn},
        "clips": clips,
        "per_class": {
            "Walk": {"clips": 30, "appearance": 0.5, "asyn": 0.9},
            "Run": {"clips": 10, "appearance": 0.1, "asyn": 0.7},
            "Jump": {"clips": clips - 40, "appearance": 1.0, "asyn": 0.0},
            "Rest": {"clips": 0, "appearance": None, "asyn": None},
        },
    }


RESULTS = {
    ("complete", "split1", 1): result(0.5, 0.7),
    ("complete", "split1", 2): result(0.6, 0.8),
    ("complete", "split2", 1): result(0.4, 0.9, 100),
    ("complete", "split2", 2): result(0.4, 0.6, 100),
}


@pytest.mark.parametrize("right, clips", [(0, 5), (5, 5), (13, 64), (3000, 3783), (1, 2)])
def test_interval_is_wilsons(right, clips):
    expected = binomtest(right, clips).proportion_ci(0.95, method="wilson")
    assert wilson(right / clips, clips) == pytest.approx((expected.low, expected.high), abs=1e-4)


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
    two = tables.cell(
        [[result(0.5, 0.7), result(0.5, 0.7, 100)]], "asyn", classes=["Jump", "Run"]
    )  # 7 of 170, 7 of 70
    assert two["accuracy"] == pytest.approx((7 / 170 + 7 / 70) / 2) and two["clips"] == 240
    assert tables.cell([[result(0.5, 0.7)]], "idt", classes=chosen)["accuracy"] is None
    assert tables.cell([[result(0.5, 0.7)]], "asyn", classes=["Rest"])["accuracy"] is None


def test_rows_of_classes_and_ceilings_are_written():
    row = {
        "table": 0,
        "name": "Some",
        "variant": "complete",
        "sources": ["appearance"],
        "classes": ["Walk", "Run"],
        "best": {"appearance": 75},
    }
    plan = {
        "splits": ["split1"],
        "seeds": [1],
        "rows": [row, {**row, "name": "All", "classes": list(CLASSES), "best": {}}],
    }
    filled = tables.fill("ucf101", plan, {key: RESULTS[key] for key in [("complete", "split1", 1)]})
    assert (
        filled["rows"][0]["classes"] == ["Walk", "Run"]
        and filled["rows"][0]["cells"][0]["best"] == 75
    )
    low, high = wilson(0.4, 40)
    text = markdown(filled)
    assert (
        f"| Some | 40.0 [{100 * low:.1f}, {100 * high:.1f}] <= 75.0 | 40 |" in text
        and "<= what could be" in text
    )
    assert text.count(" <= ") == 2 and "<=" not in markdown(tables.fill("ucf101", PLAN, RESULTS))


def test_unknown_classes_of_a_row_are_refused_with_the_nearest():
    plan = {"rows": [{"name": "Some", "classes": ["Walk", "Rum"]}, {"name": "All"}]}
    with pytest.raises(
        PipelineError, match="row 'Some'.*'Rum', which set 'ucf101' has not.*did you mean 'Run'"
    ):
        tables.check_classes("ucf101", plan, CLASSES)
    with pytest.raises(PipelineError, match="'Rum'"):
        tables.fill("ucf101", PLAN | {"rows": [PLAN["rows"][0] | {"classes": ["Rum"]}]}, RESULTS)
    tables.check_classes("ucf101", PLAN, CLASSES)


def test_markdown_shows_every_row():
    text = markdown(tables.fill("ucf101", PLAN, RESULTS))
    assert "| | appearance | 2-stream | clips |" in text and "## Table 3" in text
    low, high = wilson(0.55, 200)
    assert f"| Whole | 55.0 ± 7.1 [{100 * low:.1f}, {100 * high:.1f}] (81.7) | 60.0" in text
    assert "| With IDT | - | - |" in text and "seeds 1, 2" in text
    assert all(row["name"] in text for row in PLAN["rows"])
