"""What Snakemake's own logs say of its runs in a folder: their config files, and jobs that failed.

Snakemake writes a log for each run into `.snakemake/log`, also where a cluster works for it.
"""

import re
import time
from ast import literal_eval
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from pipeline.workflow.run_lock import FOLDER

# Logs that are searched, the last ones; and lines at the beginning of one that say by what files
# the run was configured.
MOST_LOGS, HEAD = 50, 60
# Bytes at the end of a log that are searched for jobs that failed.
MOST_READ = 2**22
PATH_IN_PYTHON = re.compile(r"""Path\(('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")\)""")
FAILURE = re.compile(
    r"^\[(?P<time>[^]\n]+)\]\nError in rule \S+:\n(?P<facts>(?:    .*\n)*)", re.MULTILINE
)


class Failure(NamedTuple):
    """A job that failed: when, in seconds of the epoch, and what Snakemake says, '' for nothing."""

    when: float
    message: str


def configs(folder: Path) -> Iterator[list[Path]]:
    """Yield the config files of the runs in a folder in the order in which they are laid over one
    another, those of the last run first.
    """
    for log in _logs(folder)[:MOST_LOGS]:
        with suppress(OSError), open(log, encoding="utf-8", errors="replace") as file:
            for line in islice(file, HEAD):
                if line.startswith("  Config file(s): "):
                    found = [Path(literal_eval(text)) for text in PATH_IN_PYTHON.findall(line)]
                    # The Snakefile's own is told last, and the others are laid over it.
                    yield [*found[-1:], *found[:-1]]


def failures(folder: Path) -> dict[str, Failure]:
    """Return the jobs that failed in the last run in a folder, by the paths of their logs."""
    found: dict[str, Failure] = {}
    for log in _logs(folder)[:1]:
        try:
            with open(log, "rb") as file:
                file.seek(max(0, file.seek(0, 2) - MOST_READ))
                text = file.read().decode("utf-8", "replace")
        except OSError:
            continue
        for match in FAILURE.finditer(text):
            facts = dict(re.findall(r"^    (message|log): (.*)$", match["facts"], re.MULTILINE))
            path = facts.get("log", "").partition(" (check log")[0]
            message = facts.get("message", "None")
            found[path] = Failure(_epoch(match["time"]), "" if message == "None" else message)
    return found


def _logs(folder: Path) -> list[Path]:
    """The logs of the runs in a folder, the last one first: they are named by the time."""
    return sorted((folder / FOLDER / "log").glob("*.snakemake.log"), reverse=True)


def _epoch(text: str) -> float:
    try:
        return time.mktime(time.strptime(text))
    except ValueError:
        return 0.0
