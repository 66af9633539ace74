"""The paper's tables beside ours: rows of the config, filled from results."""

import math
from statistics import fmean, stdev

TITLES = {0: "Further rows", 1: "Table 1: coarse-to-fine network", 2: "Table 2: asynchronous fusion network",
          3: "Table 3: mean over splits"}
SOURCES = {"appearance": "appearance", "motion": "motion", "two_stream": "2-stream", "asyn": "asynchronous", "idt": "IDT",
           "asyn_idt": "asynchronous + IDT"}


def interval(share: float, clips: int, z: float = 1.96) -> tuple[float, float]:
    """Wilson's 95 % interval of a share of `clips` clips (Wilson, 1927), which holds near 0 and 1 and for few clips."""
    centre = (share + z * z / (2 * clips)) / (1 + z * z / clips)
    half = z / (1 + z * z / clips) * math.sqrt(share * (1 - share) / clips + z * z / (4 * clips * clips))
    return max(0.0, centre - half), min(1.0, centre + half)


def cell(results: list[list[dict]], source: str, paper: float | None) -> dict:
    """One number of a table: `results` by seed, and for each by split.

    A seed's accuracy is the mean over splits, as the paper's; 'std' is over seeds. The interval is that of the mean for the
    test clips of the splits: it knows of the choice of clips, not of training. 'accuracy' is None where there is none.
    """
    found = [[result["accuracy"].get(source) for result in splits] for splits in results]
    if any(value is None for values in found for value in values):
        return {"source": source, "accuracy": None, "paper": paper}
    means = [fmean(values) for values in found]
    clips = sum(result["clips"] for result in results[0])
    low, high = interval(fmean(means), clips)
    return {"source": source, "accuracy": fmean(means), "std": stdev(means) if len(means) > 1 else None, "seeds": means,
            "interval": [low, high], "clips": clips, "paper": paper}


def fill(set_name: str, plan: dict, results: dict[tuple[str, str, int], dict]) -> dict:
    """The tables of a set: `plan` is the config's `tables`, `results` by variant, split and seed."""
    rows = []
    for row in plan["rows"]:
        splits = plan["splits"] if row.get("splits") == "all" else plan["splits"][:1]
        of_row = [[results[row["variant"], split, seed] for split in splits] for seed in plan["seeds"]]
        paper = row.get("paper", {}).get(set_name, {})
        rows.append({"table": row["table"], "name": row["name"], "variant": row["variant"], "splits": splits,
                     "cells": [cell(of_row, source, paper.get(source)) for source in row["sources"]]})
    return {"set": set_name, "seeds": plan["seeds"], "rows": rows}


def markdown(tables: dict) -> str:
    """The tables for people: ours with its 95 % interval, over several seeds their mean and deviation, and the paper's."""
    lines = [f"# {tables['set']}", "",
             f"Accuracy in % of test clips [95 % interval], seeds {', '.join(map(str, tables['seeds']))}"
             + ("; mean ± standard deviation over them" if len(tables["seeds"]) > 1 else "") + "; (paper's number)."]
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
    paper = f" ({found['paper']:.1f})" if found["paper"] is not None else ""
    if found["accuracy"] is None:
        return f"-{paper}"
    spread = f" ± {100 * found['std']:.1f}" if found["std"] is not None else ""
    low, high = found["interval"]
    return f"{100 * found['accuracy']:.1f}{spread} [{100 * low:.1f}, {100 * high:.1f}]{paper}"
