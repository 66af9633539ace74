"""The paper's tables beside ours: rows of the config, filled from results."""

from collections.abc import Collection
from statistics import fmean, stdev

from pipeline.errors import nearest, require
from pipeline.evaluation.intervals import wilson


def check_classes(set_name: str, plan: dict, classes: Collection[str]) -> None:
    """Refuse rows that are restricted to a class that the set has not.

    `plan` is the section `tables` of the config. Raises PipelineError that names the nearest class.
    """
    require(
        [
            f"config: row '{row['name']}' of the tables wants class '{name}', which set "
            f"'{set_name}' has not{nearest(name, classes) or '; name one of its classes'}"
            for row in plan["rows"]
            for name in row.get("classes", [])
            if name not in classes
        ]
    )


def accuracy(
    result: dict, source: str, classes: list[str] | None = None
) -> tuple[float | None, int]:
    """The share of a result's test clips that `source` gets right, and their count.

    The clips are those of `classes`, or all. The share is None where the result has no such source
    or the classes have no test clips.
    """
    if classes is None or source not in result["accuracy"]:
        return result["accuracy"].get(source), result["clips"]
    tested = [result["per_class"][name] for name in classes if result["per_class"][name]["clips"]]
    clips = sum(entry["clips"] for entry in tested)
    correct = sum(entry["clips"] * entry[source] for entry in tested)
    return correct / clips if clips else None, clips


def cell(
    results: list[list[dict]],
    source: str,
    paper: float | None = None,
    classes: list[str] | None = None,
    best: float | None = None,
) -> dict:
    """One number of a table, from `results` by seed and, for each seed, by split.

    As in the paper, the accuracy is the mean over splits; here also over seeds, whose standard
    deviation is 'std'. 'interval' is the 95 % interval of the mean for the test clips of the
    splits: it covers the choice of clips, not training. 'accuracy' is None if a result has none.
    `paper` and `best`, the most that could be reached, are in percent; the clips are those of
    `classes`, or all.
    """
    shares = [[accuracy(result, source, classes) for result in splits] for splits in results]
    filled = {"source": source, "paper": paper, "best": best}
    if any(share is None for splits in shares for share, _ in splits):
        return filled | {"accuracy": None}
    means = [fmean(share for share, _ in splits) for splits in shares]
    # All seeds are tested on the same clips.
    clips = sum(count for _, count in shares[0])
    return filled | {
        "accuracy": fmean(means),
        "std": stdev(means) if len(means) > 1 else None,
        "seeds": means,
        "interval": list(wilson(fmean(means), clips)),
        "clips": clips,
    }


def fill(set_name: str, plan: dict, results: dict[tuple[str, str, int], dict]) -> dict:
    """The tables of a set, as tables.json holds them.

    `plan` is the section `tables` of the config, with the paper's numbers in `paper` of its rows
    (`published.rows`); `results` are the contents of acc.json by variant, split and seed. 'data'
    says of each split which clips its results leave out, and what leaks.
    """
    for result in results.values():
        check_classes(set_name, plan, result.get("per_class", {}))
    return {
        "set": set_name,
        "seeds": plan["seeds"],
        # The clips of a split are the same in all its results.
        "data": {
            split: result["data"] for (_, split, _), result in results.items() if "data" in result
        },
        "rows": [_fill_row(set_name, plan, row, results) for row in plan["rows"]],
    }


def _fill_row(
    set_name: str, plan: dict, row: dict, results: dict[tuple[str, str, int], dict]
) -> dict:
    splits = plan["splits"] if row.get("splits") == "all" else plan["splits"][:1]
    by_seed = [[results[row["variant"], split, seed] for split in splits] for seed in plan["seeds"]]
    paper, best = row.get("paper", {}).get(set_name, {}), row.get("best", {})
    classes = row.get("classes")
    return {
        "table": row["table"],
        "name": row["name"],
        "variant": row["variant"],
        "splits": splits,
        "classes": classes,
        "cells": [
            cell(by_seed, source, paper.get(source), classes, best.get(source))
            for source in row["sources"]
        ],
    }
