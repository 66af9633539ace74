"""The paper's tables beside ours, as Markdown."""

TITLES = {
    0: "Further rows",
    1: "Table 1: coarse-to-fine network",
    2: "Table 2: asynchronous fusion network",
    3: "Table 3: mean over splits",
}
SOURCES = {
    "appearance": "appearance",
    "motion": "motion",
    "two_stream": "2-stream",
    "asyn": "asynchronous",
    "idt": "IDT",
    "asyn_idt": "asynchronous + IDT",
}


def markdown(tables: dict) -> str:
    """The tables for people: ours with its 95 % interval, over several seeds their mean and deviation, and the paper's."""
    limited = any(c["best"] is not None for row in tables["rows"] for c in row["cells"])
    lines = [
        f"# {tables['set']}",
        "",
        f"Accuracy in % of test clips [95 % interval], seeds {', '.join(map(str, tables['seeds']))}"
        + ("; mean ± standard deviation over them" if len(tables["seeds"]) > 1 else "")
        + "; (paper's number)"
        + ("; <= what could be reached at most." if limited else "."),
    ]
    for number in sorted({row["table"] for row in tables["rows"]}, key=lambda number: number or 99):
        rows = [row for row in tables["rows"] if row["table"] == number]
        columns = list(dict.fromkeys(c["source"] for row in rows for c in row["cells"]))
        single = all(len(row["cells"]) == 1 for row in rows)
        heads = ["accuracy"] if single else [SOURCES[source] for source in columns]
        lines += [
            "",
            f"## {TITLES.get(number, f'Table {number}')}",
            "",
            f"| | {' | '.join(heads)} | clips |",
            "|---" * (len(heads) + 2) + "|",
        ]
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
