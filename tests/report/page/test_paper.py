"""The paper's numbers and tables beside ours."""

import json

import page_cases
import pytest

from pipeline.errors import PipelineError
from pipeline.report.page.found import Found, find
from pipeline.report.page.paper import beside_the_paper, paper_numbers


@pytest.fixture
def found(tmp_path) -> Found:
    return find(page_cases.few(tmp_path))


def test_the_papers_numbers_are_of_all_classes():
    assert paper_numbers(page_cases.of_paper(classes=6)) == {}
    assert paper_numbers(page_cases.of_paper(set="mine")) == {}


def test_tables_are_those_of_tables_json(found):
    row = {"table": 1, "name": "Mine", "variant": "complete", "splits": ["split1"]}
    cell = {"source": "asyn", "paper": 93.7, "best": None, "accuracy": 0.5, "std": 0.1}
    cell |= {"interval": [0.4, 0.6], "seeds": [0.4, 0.6], "clips": 18}
    content = {"rows": [row | {"cells": [cell]}], "seeds": [1, 2], "set": "own"}
    (found.set_folder / "tables.json").write_text(json.dumps(content))
    told = beside_the_paper(found)
    assert told["origin"] == "tables.json" and told["seeds"] == [1, 2]
    (table,) = told["tables"]
    assert [row["name"] for row in table["rows"]] == ["Mine"]
    assert table["rows"][0]["cells"][0]["accuracy"] == 0.5


def test_tables_without_tables_json_are_of_the_results_at_hand(found):
    told = beside_the_paper(found)
    assert told["origin"] == "the results at hand of split1"
    rows = {row["name"]: row for table in told["tables"] for row in table["rows"]}
    assert rows["CO2FI+ASYN (D = 5)"]["cells"][1]["accuracy"] == 0.5
    # There is no baseline, and the paper has no number of this set.
    assert "Two-stream baseline" not in rows


def test_tables_with_nothing_in_them_are_left_out(tmp_path):
    path = page_cases.few(tmp_path, run="split1/baseline/seed2", sources=("appearance", "motion"))
    with pytest.raises(PipelineError, match="results/own/tables.json runs them"):
        beside_the_paper(find(path))


def test_a_damaged_tables_json_is_said(found):
    (found.set_folder / "tables.json").write_text("{")
    with pytest.raises(PipelineError, match="none of this program"):
        beside_the_paper(found)
