"""The paper's tables beside ours: rows of the config, filled from results."""

import math
from statistics import fmean, stdev

from pipeline.errors import nearest, require

TITLES = {0: "Further rows", 1: "Table 1: coarse-to-fine network", 2: "Table 2: asynchronous fusion network",
          3: "Table 3: mean over splits"}
SOURCES = {"appearance": "appearance", "motion": "motion", "two_stream": "2-stream", "asyn": "asynchronous", "idt": "IDT",
           "asyn_idt": "asynchronous + IDT"}


def interval(share: float, clips: int, z: float = 1.96) -> tuple[float, float]:
    """Wilson's 95 % interval of a share of `clips` clips (Wilson, 1927), which holds near 0 and 1 and for few clips."""
    centre = (share + z * z / (2 * clips)) / (1 + z * z / clips)
    half = z / (1 + z * z / clips) * math.sqrt(share * (1 - share) / clips + z * z / (4 * clips * clips))
    return max(0.0, centre - half), min(1.0, centre + half)


def check_classes(set_name: str, plan: dict, classes) -> None:
    """Refuse rows that are restricted to what is no class of the set; `plan` is the config's `tables`."""
    require([f"config: row '{row['name']}' of the tables wants class '{name}', which set '{set_name}' has not"
             f"{nearest(name, classes) or '; name one of its classes'}"
             for row in plan["rows"] for name in row.get("classes", []) if name not in classes])


def accuracy(result: dict, source: str, classes: list[str] | None = None) -> tuple[float | None, int]:
    """The share of a result's test clips that `source` gets right, and their count; of `classes`, or of all.

    The share is None where the result has no such source.
    """
    if classes is None or source not in result["accuracy"]:
        return result["accuracy"].get(source), result["clips"]
    held = [result["per_class"][name] for name in classes if result["per_class"][name]["clips"]]
    clips = sum(one["clips"] for one in held)
    return sum(one["clips"] * one[source] for one in held) / clips if clips else None, clips


def cell(results: list[list[dict]], source: str, paper: float | None = None, classes: list[str] | None = None,
         best: float | None = None) -> dict:
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
    return shown | {"accuracy": fmean(means), "std": stdev(means) if len(means) > 1 else None, "seeds": means,
                    "interval": list(interval(fmean(means), clips)), "clips": clips}


def fill(set_name: str, plan: dict, results: dict[tuple[str, str, int], dict]) -> dict:
    """The tables of a set: `plan` is the config's `tables`, `results` by variant, split and seed."""
    for result in results.values():
        check_classes(set_name, plan, result["per_class"])
    rows = []
    for row in plan["rows"]:
        splits = plan["splits"] if row.get("splits") == "all" else plan["splits"][:1]
        of_row = [[results[row["variant"], split, seed] for split in splits] for seed in plan["seeds"]]
        paper, best, classes = row.get("paper", {}).get(set_name, {}), row.get("best", {}), row.get("classes")
        rows.append({"table": row["table"], "name": row["name"], "variant": row["variant"], "splits": splits,
                     "classes": classes, "cells": [cell(of_row, source, paper.get(source), classes, best.get(source))
                                                   for source in row["sources"]]})
    return {"set": set_name, "seeds": plan["seeds"], "rows": rows}


def markdown(tables: dict) -> str:
    """The tables for people: ours with its 95 % interval, over several seeds their mean and deviation, and the paper's."""
    limited = any(c["best"] is not None for row in tables["rows"] for c in row["cells"])
    lines = [f"# {tables['set']}", "",
             f"Accuracy in % of test clips [95 % interval], seeds {', '.join(map(str, tables['seeds']))}"
             + ("; mean ± standard deviation over them" if len(tables["seeds"]) > 1 else "") + "; (paper's number)"
             + ("; <= what could be reached at most." if limited else ".")]
    for number in sorted({row["table"] for row in tables["rows"]}, key=lambda number: number or 99):
        rows = [row for row in tables["rows"] if row["table"] == number]
        columns = list(dict.fromkeys(c["source"] for row in rows for c in row["cells"]))
        single = all(len(row["cells"]) == 1 for row in rows)
        heads = ["accuracy"] if single else [SOURCES[source] for source in columns]
        lines += ["", f"## {TITLES.get(number, f'Table {number}')}", "", f"| | {' | '.join(heads)} | clips |",
                  "|---" * (len(heads) + 2) + "|"]
        for row in rows:
            by_source = {c["source"]: c for c in row["cells"]}
            cells = row["cells"] if single else [by_source.get(source) for source in columns]
            clips = next((c["clips"] for c in row["cells"] if c.get("clips")), "-")
            lines.append(f"| {row['name']} | {' | '.join(map(_written, cells))} | {clips} |")
    return "\n".join(lines) + "\n"


def _written(found: dict | None) -> str:
    if found is None:
        return ""
    beside = f" ({found['paper']:.1f})" if found["paper"] is not None else ""
    beside += f" <= {found['best']:.1f}" if found["best"] is not None else ""
    if found["accuracy"] is None:
        return f"-{beside}"
    spread = f" ± {100 * found['std']:.1f}" if found["std"] is not None else ""
    low, high = found["interval"]
    return f"{100 * found['accuracy']:.1f}{spread} [{100 * low:.1f}, {100 * high:.1f}]{beside}"
