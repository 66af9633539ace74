"""The paper's tables beside ours: rows of the config, filled from results."""

from statistics import fmean, stdev

from pipeline.errors import nearest, require
from pipeline.evaluation.intervals import wilson


def check_classes(set_name: str, plan: dict, classes) -> None:
    """Refuse rows that are restricted to what is no class of the set; `plan` is the config's `tables`."""
    require(
        [
            f"config: row '{row['name']}' of the tables wants class '{name}', which set '{set_name}' has not"
            f"{nearest(name, classes) or '; name one of its classes'}"
            for row in plan["rows"]
            for name in row.get("classes", [])
            if name not in classes
        ]
    )


def accuracy(
    result: dict, source: str, classes: list[str] | None = None
) -> tuple[float | None, int]:
    """The share of a result's test clips that `source` gets right, and their count; of `classes`, or of all.

    The share is None where the result has no such source.
    """
    if classes is None or source not in result["accuracy"]:
        return result["accuracy"].get(source), result["clips"]
    held = [result["per_class"][name] for name in classes if result["per_class"][name]["clips"]]
    clips = sum(one["clips"] for one in held)
    return sum(one["clips"] * one[source] for one in held) / clips if clips else None, clips


def cell(
    results: list[list[dict]],
    source: str,
    paper: float | None = None,
    classes: list[str] | None = None,
    best: float | None = None,
) -> dict:
    """One number of a table: `results` by seed, and for each by split; of the test clips of `classes`, or of all.

    A seed's accuracy is the mean over splits, as the paper's; 'std' is over seeds. The interval is that of the mean for the
    test clips of the splits: it knows of the choice of clips, not of training. 'accuracy' is None where there is none.
    `paper` and `best`, what could be reached at most, are in percent.
    """
    found = [[accuracy(result, source, classes) for result in splits] for splits in results]
    shown = {"source": source, "paper": paper, "best": best}
    if any(share is None for splits in found for share, _ in splits):
        return shown | {"accuracy": None}
    means = [fmean(share for share, _ in splits) for splits in found]
    clips = sum(count for _, count in found[0])
    return shown | {
        "accuracy": fmean(means),
        "std": stdev(means) if len(means) > 1 else None,
        "seeds": means,
        "interval": list(wilson(fmean(means), clips)),
        "clips": clips,
    }


def fill(set_name: str, plan: dict, results: dict[tuple[str, str, int], dict]) -> dict:
    """The tables of a set: `plan` is the config's `tables`, `results` by variant, split and seed."""
    for result in results.values():
        check_classes(set_name, plan, result["per_class"])
    rows = []
    for row in plan["rows"]:
        splits = plan["splits"] if row.get("splits") == "all" else plan["splits"][:1]
        of_row = [
            [results[row["variant"], split, seed] for split in splits] for seed in plan["seeds"]
        ]
        paper, best, classes = (
            row.get("paper", {}).get(set_name, {}),
            row.get("best", {}),
            row.get("classes"),
        )
        rows.append(
            {
                "table": row["table"],
                "name": row["name"],
                "variant": row["variant"],
                "splits": splits,
                "classes": classes,
                "cells": [
                    cell(of_row, source, paper.get(source), classes, best.get(source))
                    for source in row["sources"]
                ],
            }
        )
    return {"set": set_name, "seeds": plan["seeds"], "rows": rows}
