"""The paper's tables beside ours, as Markdown."""

from pipeline.report.text import data_lines

TITLES = {
    0: "Further rows",
    1: "Table 1: coarse-to-fine network",
    2: "Table 2: asynchronous fusion network",
    3: "Table 3: mean over splits",
}
# Heads of the columns, in the paper's words.
SOURCES = {
    "appearance": "appearance",
    "motion": "motion",
    "two_stream": "2-stream",
    "asyn": "asynchronous",
    "idt": "IDT",
    "asyn_idt": "asynchronous + IDT",
}


def markdown(tables: dict) -> str:
    """The content of a tables.json for people.

    A cell is our accuracy with its 95 % interval, over several seeds their mean and deviation, and
    the paper's number.
    """
    lines = [f"# {tables['set']}", "", _legend(tables)]
    for split, data in sorted(tables.get("data", {}).items()):
        for note in data_lines({"data": data}):
            lines += ["", f"{split}: {note}."]
    # Further rows, table 0, stand last.
    for number in sorted({row["table"] for row in tables["rows"]}, key=lambda number: number or 99):
        rows = [row for row in tables["rows"] if row["table"] == number]
        lines += ["", f"## {TITLES.get(number, f'Table {number}')}", "", *_table_lines(rows)]
    return "\n".join(lines) + "\n"


def _legend(tables: dict) -> str:
    limited = any(cell["best"] is not None for row in tables["rows"] for cell in row["cells"])
    return (
        f"Accuracy in % of test clips [95 % interval], seeds {', '.join(map(str, tables['seeds']))}"
        + ("; mean ± standard deviation over them" if len(tables["seeds"]) > 1 else "")
        + "; (paper's number)"
        + ("; <= what could be reached at most." if limited else ".")
    )


def _table_lines(rows: list[dict]) -> list[str]:
    """One table: a column for each source, or where all rows have one source a single column."""
    columns = list(dict.fromkeys(cell["source"] for row in rows for cell in row["cells"]))
    single = all(len(row["cells"]) == 1 for row in rows)
    heads = ["accuracy"] if single else [SOURCES[source] for source in columns]
    lines = [f"| | {' | '.join(heads)} | clips |", "|---" * (len(heads) + 2) + "|"]
    for row in rows:
        by_source = {cell["source"]: cell for cell in row["cells"]}
        cells = row["cells"] if single else [by_source.get(source) for source in columns]
        clips = next((cell["clips"] for cell in row["cells"] if cell.get("clips")), "-")
        lines.append(f"| {row['name']} | {' | '.join(map(cell_text, cells))} | {clips} |")
    return lines


def cell_text(cell: dict | None) -> str:
    """'93.1 ± 0.4 [92.3, 93.9] (93.7)'; empty for a source that the row does not have."""
    if cell is None:
        return ""
    note = f" ({cell['paper']:.1f})" if cell["paper"] is not None else ""
    note += f" <= {cell['best']:.1f}" if cell["best"] is not None else ""
    if cell["accuracy"] is None:
        return f"-{note}"
    deviation = f" ± {100 * cell['std']:.1f}" if cell["std"] is not None else ""
    low, high = cell["interval"]
    return f"{100 * cell['accuracy']:.1f}{deviation} [{100 * low:.1f}, {100 * high:.1f}]{note}"
