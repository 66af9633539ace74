"""Results as `pipeline show` prints them: one or several with their means, and tables of them."""

import json
from pathlib import Path
from statistics import fmean, stdev

from pipeline.errors import PipelineError, listed
from pipeline.evaluation import results
from pipeline.report.kinds import JSON, RESULT, TABLES, TEXT, what_is
from pipeline.report.layout import fit
from pipeline.report.mistakes import mistake_lines
from pipeline.report.tables import SOURCES, TITLES, cell_text
from pipeline.report.text import NAMES, data_lines, read_small, result_lines


def show_lines(paths: list[Path], most: int) -> list[str]:
    """Lines about results, and their mean where there are several of one set.

    Of each there are `most` worst classes and confused pairs. A path may be that of the folder of
    a result, or of a tables.json. Raises PipelineError for a file that is neither.
    """
    lines, found = [], []
    for path in map(file_of, paths):
        content = _read(path)
        lines += [""] if lines else []
        lines += [str(path)] if len(paths) > 1 else []
        if "rows" in content:
            lines += table_lines(content)
        else:
            lines += result_lines(content).split("\n")
            mistakes = mistake_lines(content, most)
            lines += ["", *mistakes] if mistakes else []
            found.append(content)
    if len(found) > 1 and len({result["set"] for result in found}) == 1:
        lines += ["", *_mean_lines(found)]
    return lines


def file_of(path: Path) -> Path:
    """The acc.json of a folder, and any other path as it is.

    Raises PipelineError for a folder that has none, with those that lie in folders below it.
    """
    if not path.is_dir():
        return path
    if not (path / "acc.json").is_file():
        below = [str(found) for found in sorted(path.glob("**/acc.json"))]
        cure = f"name one of {listed(below, 3)}" if below else "name the folder of a result"
        raise PipelineError(f"{path}: there is no acc.json in this folder; {cure}")
    return path / "acc.json"


def _read(path: Path) -> dict:
    """A result, or the tables of a set."""
    content = read_small(path)
    what = what_is(path)
    # What may be a damaged result is told by what reads results.
    if what not in (RESULT, TABLES, JSON, TEXT):
        raise PipelineError(f"{path}: this is {what}; name an acc.json or a tables.json")
    if what != TABLES:
        return results.parse(content, str(path))
    tables = json.loads(content)
    try:
        # All that is wrong with them shows here.
        table_lines(tables)
    except (KeyError, TypeError, AttributeError, IndexError, ValueError):
        raise PipelineError(
            f"{path}: not tables of this program; name a tables.json, or an acc.json"
        ) from None
    return tables


def _mean_lines(found: list[dict]) -> list[str]:
    """The means of accuracies over results, by source; of those that all have."""
    lines = [f"{f'mean of {len(found)} results':25} accuracy  deviation   lowest  highest"]
    for source in found[0]["accuracy"]:
        if all(source in result["accuracy"] for result in found):
            shares = [result["accuracy"][source] for result in found]
            lines.append(
                f"{fit(NAMES.get(source, source), 25)} {fmean(shares):8.1%}  "
                f"{stdev(shares):9.1%} {min(shares):8.1%} {max(shares):8.1%}"
            )
    return lines


def table_lines(tables: dict) -> list[str]:
    """The content of a tables.json, a line for each number that it has or that is to come."""
    seeds = ", ".join(map(str, tables["seeds"]))
    lines = [
        f"{tables['set']}: accuracy in % of test clips, seeds {seeds}",
        "[95 % interval] (the paper's number)",
    ]
    for split, data in sorted(tables.get("data", {}).items()):
        lines += [f"{split}: {note}" for note in data_lines({"data": data})]
    last = None
    for row in sorted(tables["rows"], key=lambda row: row["table"] or 99):
        if row["table"] != last:
            last = row["table"]
            lines += ["", TITLES.get(last, f"Table {last}")]
        for cell in row["cells"]:
            name, source = fit(row["name"], 26), fit(SOURCES.get(cell["source"], ""), 18)
            lines.append(f"  {name}  {source}  {cell_text(cell)}".rstrip())
    return lines
