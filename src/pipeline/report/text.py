"""A result, acc.json, as lines of text."""

import os
import stat
from pathlib import Path

from pipeline.errors import PipelineError, listed
from pipeline.evaluation import results
from pipeline.evaluation.intervals import wilson
from pipeline.files import read_intact, reading
from pipeline.report.kinds import what_is
from pipeline.report.layout import fit

# What people call the sources of a result.
NAMES = {
    "appearance": "appearance (CO2FI)",
    "motion": "motion (CO2FI)",
    "two_stream": "two-stream (sum)",
    "asyn": "asynchronous fusion",
    "idt": "trajectories (IDT)",
    "asyn_idt": "asynchronous fusion + IDT",
}
# What makes a result look better than it is, by its key in acc.json.
LEAKS = {
    "groups": "groups (scenes, people, films) in both train and test",
    "copies": "files in both train and test, under several names",
    "copies_in_several_classes": "files in several classes",
}


def read_result(path: str | Path) -> dict:
    """Read an acc.json. Raises PipelineError when it is missing, damaged, or another file."""
    return results.parse(read_small(path), str(path))


def read_small(path: str | Path) -> bytes:
    """The content of a file that may be a result, or tables of results.

    Raises PipelineError when it is missing, damaged, no file, or too large for one.
    """
    with reading(path):
        found = os.stat(path)
    # To read a pipe would take for ever.
    if not stat.S_ISREG(found.st_mode):
        raise PipelineError(f"{path}: this is {what_is(path)}; name an acc.json")
    if found.st_size > results.LARGEST:
        raise PipelineError(
            f"{path}: larger than {results.LARGEST >> 20} MB, which no result is; name an acc.json"
        )
    return read_intact(path)


def result_lines(result: dict) -> str:
    """The accuracies of a result with their 95 % intervals (Wilson, 1927) as lines of text, the
    headline marked.
    """
    # Sets of few classes have none.
    top5 = result.get("top5_accuracy")
    lines = [
        f"{result['set']} {result['split']}: {result['clips']} test clips, "
        f"{result['classes']} classes",
        f"{'':25} {'accuracy':>8} {'95% interval':>12}  mean class" + ("  top 5" if top5 else ""),
    ]
    for source, accuracy in result["accuracy"].items():
        mark = " <- the result" if source == result["headline"] else ""
        mean, top = result["mean_class_accuracy"][source], f" {top5[source]:6.1%}" if top5 else ""
        lines.append(
            f"{fit(NAMES.get(source, source), 25)} {accuracy:8.1%} "
            f"{interval(accuracy, result['clips']):>12}  {mean:10.1%}{top}{mark}"
        )
    return "\n".join([*lines, *data_lines(result)])


def interval(share: float, clips: int) -> str:
    """Wilson's 95 % interval of a share of clips, in percent, such as '80.4-82.9'."""
    low, high = wilson(share, clips)
    return f"{100 * low:.1f}-{100 * high:.1f}"


def data_lines(result: dict) -> list[str]:
    """What a reader of a result must know of its clips: bad ones that are left out, and leaks."""
    data, lines = result.get("data", {}), []
    skipped, leaks = data.get("skipped", {}), data.get("leaks", {})
    if skipped.get("count"):
        names = [*skipped["train"], *skipped["test"]]
        lines.append(
            f"bad clips left out: {skipped['count']:,}, of train {len(skipped['train']):,} and of "
            f"test {len(skipped['test']):,}: {listed(names)}"
        )
    for kind, what in LEAKS.items():
        if leaks.get(kind, {}).get("count"):
            lines.append(f"leak: {what}: {leaks[kind]['count']:,}")
    return lines
