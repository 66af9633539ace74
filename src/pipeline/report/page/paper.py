"""The paper's numbers beside ours: of one method, and its tables."""

import json
from pathlib import Path

from pipeline.config import shipped, spelling
from pipeline.config.runs import Run
from pipeline.errors import PipelineError
from pipeline.evaluation import published, tables
from pipeline.evaluation.results import parse
from pipeline.files import read_intact
from pipeline.report.page.found import Found
from pipeline.report.tables import SOURCES, TITLES

# Classes of the sets whose numbers the paper has; they are over all of them.
PAPER_CLASSES = {"ucf101": 101, "hmdb51": 51}
# A row of a table of which a set has no result.
NO_RESULT = {"accuracy": {}, "clips": 0, "per_class": {}}


def paper_numbers(found: Found) -> dict[str, dict]:
    """By source the paper's number for this method on this set: 'share' and 'where'.

    Tables 1 and 2 come before Table 3, whose numbers are means over three splits.
    """
    result, numbers = found.result, {}
    if PAPER_CLASSES.get(result["set"]) != result["classes"]:
        return numbers
    rows = published.rows(_plan(), result["set"])["rows"]
    for row in rows:
        if row["variant"] != found.run.variant or row.get("classes"):
            continue
        of = "mean over three splits" if row["table"] == 3 else "split 1"
        for source, percent in row.get("paper", {}).get(result["set"], {}).items():
            told = {"share": percent / 100, "where": f"Table {row['table']}, {of}"}
            numbers.setdefault(source, told)
    return numbers


def _plan() -> dict:
    """The section `tables` of the config that every other is laid over."""
    if not shipped.DEFAULTS.is_file():
        return {"rows": []}
    return spelling.read(shipped.DEFAULTS)["tables"]


def beside_the_paper(found: Found) -> dict:
    """The paper's tables with our numbers: those of tables.json, or of the results that there are.

    Raises PipelineError where there is nothing to set side by side.
    """
    name, path = found.result["set"], found.set_folder / "tables.json"
    if path.is_file():
        filled, origin = _read_tables(path), "tables.json"
    else:
        plan, results = _results_at_hand(found)
        filled = tables.fill(name, plan, results)
        origin = f"the results at hand of {', '.join(plan['splits'])}"
    filled["rows"] = [row for row in filled["rows"] if _says_something(row)]
    if not filled["rows"]:
        raise PipelineError(
            f"The paper has no numbers of {name}, and no variants of the method were run on it: "
            f"snakemake results/{name}/tables.json runs them."
        )
    return {
        "origin": origin,
        "seeds": filled["seeds"],
        "command": f"snakemake --cores all results/{name}/tables.json",
        "tables": [
            _table(number, [row for row in filled["rows"] if row["table"] == number])
            for number in sorted({row["table"] for row in filled["rows"]}, key=lambda n: n or 99)
        ],
    }


def _read_tables(path: Path) -> dict:
    try:
        found = json.loads(read_intact(path))
        return {"rows": list(found["rows"]), "seeds": list(found["seeds"])}
    except (ValueError, TypeError, KeyError) as error:
        raise PipelineError("tables.json beside this result is none of this program.") from error


def _results_at_hand(found: Found) -> tuple[dict, dict]:
    """The plan of the tables, and the results that it names, by variant, split and seed."""
    name = found.result["set"]
    full = PAPER_CLASSES.get(name) == found.result["classes"]
    plan = (published.rows(_plan(), name) if full else _plan()) | {"seeds": [1]}
    # Rows of some classes are of the demo.
    plan["rows"] = [row for row in plan["rows"] if not row.get("classes")]
    plan.setdefault("splits", [found.run.split])
    if not full:
        plan["splits"] = [found.run.split]
    results = {}
    for variant in {row["variant"] for row in plan["rows"]}:
        for split in plan["splits"]:
            path = found.set_folder / str(Run(split, variant)) / "acc.json"
            there = path.is_file()
            results[variant, split, 1] = parse(read_intact(path), str(path)) if there else NO_RESULT
    return plan, results


def _says_something(row: dict) -> bool:
    return any(cell["accuracy"] is not None or cell["paper"] is not None for cell in row["cells"])


def _table(number: int, rows: list[dict]) -> dict:
    """A table: a column for each source; each cell has ours, the interval and the paper's."""
    columns = list(dict.fromkeys(cell["source"] for row in rows for cell in row["cells"]))
    return {
        "title": TITLES.get(number, f"Table {number}"),
        "columns": [{"key": key, "name": SOURCES.get(key, key)} for key in columns],
        "rows": [
            {
                "name": row["name"],
                "cells": [
                    next((_cell(cell) for cell in row["cells"] if cell["source"] == key), None)
                    for key in columns
                ],
            }
            for row in rows
        ],
    }


def _cell(cell: dict) -> dict:
    """The numbers of a cell; one of a file that somebody has changed may hold anything."""
    accuracy, std, paper = (
        None if cell.get(key) is None else float(cell[key]) for key in ("accuracy", "std", "paper")
    )
    interval = None if accuracy is None else tuple(map(float, cell["interval"][:2]))
    return {"accuracy": accuracy, "std": std, "paper": paper, "interval": interval}
