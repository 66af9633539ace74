"""Accuracies for the page: of the headline, of all sources, and by class."""

from pipeline.evaluation.intervals import wilson
from pipeline.report.page.found import Found
from pipeline.report.page.paper import paper_numbers
from pipeline.report.text import NAMES, data_lines

# Sources of the dumbbells.
DUMBBELL = ("appearance", "two_stream", "asyn", "idt")


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
