"""Tables as Markdown."""

from table_cases import CLASSES, PLAN, RESULTS

from pipeline.evaluation import tables
from pipeline.evaluation.intervals import wilson
from pipeline.report.tables import markdown


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


def test_markdown_shows_every_row():
    text = markdown(tables.fill("ucf101", PLAN, RESULTS))
    assert "| | appearance | 2-stream | clips |" in text and "## Table 3" in text
    low, high = wilson(0.55, 200)
    assert f"| Whole | 55.0 ± 7.1 [{100 * low:.1f}, {100 * high:.1f}] (81.7) | 60.0" in text
    assert "| With IDT | - | - |" in text and "seeds 1, 2" in text
    assert all(row["name"] in text for row in PLAN["rows"])


def test_what_results_leave_out_is_said_by_split():
    skipped = {"count": 1, "train": {"Run/a": "empty"}, "test": {}}
    results = {
        key: result | {"data": {"skipped": skipped if key[1] == "split1" else {"count": 0}}}
        for key, result in RESULTS.items()
    }
    filled = tables.fill("ucf101", PLAN, results)
    assert filled["data"]["split1"] == {"skipped": skipped}
    text = markdown(filled)
    assert "\nsplit1: bad clips left out: 1, of train 1 and of test 0: Run/a.\n" in text
    assert "split2: " not in text and "bad clips" not in markdown(
        tables.fill("ucf101", PLAN, RESULTS)
    )
