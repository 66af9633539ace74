"""The paper's numbers for the rows of the tables."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from pipeline.evaluation import published

ROOT = Path(__file__).resolve().parents[2]


def plan(*rows: dict) -> dict:
    return {"splits": ["split1"], "seeds": [1], "rows": list(rows)}


def row(table: int, name: str, **more) -> dict:
    return {"table": table, "name": name, "variant": "complete", "sources": ["asyn"], **more}


@pytest.mark.parametrize(
    "set_name, table, name, expected",
    [
        (
            "ucf101",
            1,
            "CO2FI-complete",
            {"appearance": 81.7, "motion": 87.9, "two_stream": 92.8},
        ),
        ("hmdb51", 2, "CO2FI+ASYN (D = 5)", {"asyn": 69.5}),
        ("ucf101", 3, "CO2FI + ASYN + IDT", {"asyn_idt": 95.2}),
    ],
)
def test_rows_get_the_numbers_of_the_papers_tables(set_name, table, name, expected):
    (filled,) = published.rows(plan(row(table, name)), set_name)["rows"]
    assert filled == row(table, name, paper={set_name: expected})


def test_rows_of_the_config_are_those_of_the_paper():
    """All published numbers of UCF101 have a row, and all rows but one have a published number."""
    tables = yaml.safe_load((ROOT / "config.yaml").read_text())["tables"]
    filled = published.rows(tables, "ucf101")["rows"]
    assert [row["name"] for row in filled if "paper" not in row] == ["CO2FI+SYN"]
    reported = published.accuracies()["ucf101"]
    assert sum(len(rows) for rows in reported.values()) == len(filled) - 1
    for filled_row in filled:
        numbers = filled_row.get("paper", {}).get("ucf101", {})
        assert set(numbers) <= set(filled_row["sources"])


def test_hmdb51_has_fewer_numbers():
    """The paper runs part of its ablations on HMDB51."""
    ucf101, hmdb51 = (published.accuracies()[name] for name in ("ucf101", "hmdb51"))
    assert hmdb51.keys() == ucf101.keys()
    assert all(set(hmdb51[table]) <= set(ucf101[table]) for table in hmdb51)


def test_numbers_of_the_config_stay():
    own = row(3, "CO2FI + ASYN", paper={"ucf101": {"asyn": 50.0}})
    before = plan(own)
    assert published.rows(before, "ucf101") == plan(own)
    (other,) = published.rows(before, "hmdb51")["rows"]
    assert other["paper"] == {"ucf101": {"asyn": 50.0}, "hmdb51": {"asyn": 69.0}}
    # The plan that was given is as it was.
    assert "hmdb51" not in own["paper"]


def test_rows_that_the_paper_has_not_get_no_numbers():
    rows = [
        row(2, "CO2FI + ASYN"),
        row(0, "Another"),
        row(3, "CO2FI + ASYN", classes=["Archery"]),
    ]
    assert published.rows(plan(*rows), "ucf101") == plan(*rows)
    assert published.rows(plan(row(3, "CO2FI + ASYN")), "demo") == plan(row(3, "CO2FI + ASYN"))


def test_only_the_standard_library_is_loaded():
    code = "import sys; from pipeline.evaluation import published; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert not {"numpy", "h5py", "scipy", "torch"} & set(loaded)
