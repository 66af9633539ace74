"""Accuracies for the page: of the headline, of all sources, by class, and the paper's numbers."""

import json
from pathlib import Path

from pipeline.config import shipped, spelling
from pipeline.config.runs import Run
from pipeline.errors import PipelineError
from pipeline.evaluation import published, tables
from pipeline.evaluation.intervals import wilson
from pipeline.evaluation.results import parse
from pipeline.files import read_intact
from pipeline.report.page.found import Found
from pipeline.report.tables import SOURCES, TITLES
from pipeline.report.text import NAMES, data_lines

# Sources of the dumbbells.
DUMBBELL = ("appearance", "two_stream", "asyn", "idt")
# Classes of the sets whose numbers the paper has; they are over all of them.
PAPER_CLASSES = {"ucf101": 101, "hmdb51": 51}
# A row of a table of which a set has no result.
NO_RESULT = {"accuracy": {}, "clips": 0, "per_class": {}}


def headline(found: Found) -> dict:
    """The number that counts, its interval, and the paper's number where there is one."""
    result = found.result
    row = _row(found, found.headline, paper_numbers(found))
    paper = row["paper"]
    if paper:
        inside = row["low"] <= paper["share"] <= row["high"]
        row["verdict"] = (
            "it lies within the interval"
            if inside
            else f"it is {100 * abs(paper['share'] - row['share']):.1f} points "
            + ("higher" if paper["share"] > row["share"] else "lower")
        )
    return row | {
        "right": round(row["share"] * result["clips"]),
        "clips": result["clips"],
        "classes": result["classes"],
        "notes": data_lines(result),
    }


def sources(found: Found) -> dict:
    """All sources with their intervals."""
    numbers = paper_numbers(found)
    rows = [_row(found, source, numbers) for source in found.sources]
    return {
        "rows": rows,
        "chance": 1 / found.result["classes"],
        "has_top5": any(row["top5"] is not None for row in rows),
        "has_paper": any(row["paper"] for row in rows),
    }


def _row(found: Found, source: str, paper: dict) -> dict:
    result = found.result
    share = result["accuracy"][source]
    low, high = wilson(share, result["clips"])
    return {
        "key": source,
        "name": NAMES.get(source, source),
        "share": share,
        "low": low,
        "high": high,
        "mean": result["mean_class_accuracy"][source],
        "top5": (result.get("top5_accuracy") or {}).get(source),
        "paper": paper.get(source),
    }


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


def by_class(found: Found) -> dict:
    """Each class with its clips and its accuracy by source, and the spread of the dumbbell."""
    sources = found.sources
    dots = [source for source in DUMBBELL if source in sources]
    rows = []
    for name, entry in found.part("per_class").items():
        shares = {source: entry[source] for source in sources}
        shown = [shares[source] for source in dots if shares[source] is not None]
        share = shares[found.headline]
        rows.append(
            {
                "name": name,
                "clips": entry["clips"],
                "shares": shares,
                "gain": _gain(shares),
                "interval": wilson(share, entry["clips"]) if entry["clips"] else None,
                "low": min(shown, default=None),
                "high": max(shown, default=None),
            }
        )
    return {
        "rows": rows,
        "dots": dots,
        "has_gain": {"asyn", "two_stream"} <= set(sources),
        "columns": [{"key": source, "name": NAMES.get(source, source)} for source in sources],
    }


def _gain(shares: dict) -> float | None:
    """What asynchronous fusion has over the sum of streams."""
    asyn, both = shares.get("asyn"), shares.get("two_stream")
    return None if asyn is None or both is None else asyn - both


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
