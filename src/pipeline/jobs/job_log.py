"""What the log of a job says: how far it is, how fast, its loss, and why it ended.

The lines are those of `jobs/progress.py` and the sentences of `jobs/program.py`.
"""

import re
from pathlib import Path
from typing import NamedTuple

# Bytes at the end of a log that are read, so that looking at many logs stays quick.
MOST_READ = 2**20
# Seconds of a job from which its rate is told without what was before its first line: compiling.
STEADY = 20.0
BEGUN = re.compile(r"(?P<total>\d+) (?P<unit>\w+)(, \d+ of them done before)?")
STATE = re.compile(
    r"(?P<done>\d+)/(?P<total>\d+) (?P<unit>\w+), "
    r"((?P<rate>[\d.]+) \w+/s, |(?P<each>[\d.]+) s each, )?[\d:?]+ left(, (?P<note>.*))?"
)
LOSS = re.compile(r"loss (-?[\d.]+(?:e[-+]?\d+)?|nan|inf)")


class JobLog(NamedTuple):
    """What a log says.

    done, total: units of the job that are done, and all; 0 of 0 where it says nothing.
    unit: what is counted, such as 'iterations'.
    seconds_each: seconds for a unit, without compiling as far as that can be told; None where none
        was timed.
    loss: the last mean loss and the iteration that it was told at.
    error: the last sentence on what went wrong, '' where nothing did.
    """

    done: int = 0
    total: int = 0
    unit: str = ""
    seconds_each: float | None = None
    loss: tuple[float, int] | None = None
    error: str = ""


def read(path: str | Path) -> JobLog:
    """Return what a log says; that it says nothing, where it is not there or cannot be read."""
    try:
        with open(path, "rb") as file:
            file.seek(max(0, file.seek(0, 2) - MOST_READ))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return JobLog()
    return parse(text)


def parse(text: str) -> JobLog:
    """Return what the text of a log says."""
    found, timed = JobLog(), []
    for line in text.split("\n"):
        if line.lstrip("\0").startswith("error: "):
            found = found._replace(error=line.lstrip("\0").removeprefix("error: ").strip())
        told = line.partition(": ")[2]
        if begun := BEGUN.fullmatch(told):
            found = found._replace(total=int(begun["total"]), unit=begun["unit"])
        elif state := STATE.fullmatch(told):
            found = found._replace(
                done=int(state["done"]), total=int(state["total"]), unit=state["unit"]
            )
            if state["rate"] or state["each"]:
                each = float(state["each"] or 0) or 1 / max(float(state["rate"]), 1e-9)
                timed.append((found.done, each))
            if loss := LOSS.search(state["note"] or ""):
                found = found._replace(loss=(float(loss[1]), found.done))
    return found._replace(seconds_each=_seconds_each(timed))


def _seconds_each(timed: list[tuple[int, float]]) -> float | None:
    """Seconds for a unit, from lines with what was done by then and how long each took till then.

    The program compiles before its first line or so. What came after that line is steady.
    """
    if not timed:
        return None
    (first, slow), (last, each) = timed[0], timed[-1]
    seconds = last * each - first * slow
    if last > first and seconds >= STEADY:
        return seconds / (last - first)
    return each
