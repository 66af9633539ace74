"""Texts that may grow with the clips of a set, on their way to a program. Standard library only.

A command is one argument to its shell, and Linux takes 131,072 bytes in one. A long text goes to a
file that is named by its content, so that equal texts are equal parameters, and runs of several
configs do not meet in it. `pipeline.jobs.program` reads it.
"""

import hashlib
from contextlib import suppress
from pathlib import Path

from pipeline import files

# Bytes of a text that stands in a command itself.
LONGEST = 16_000


def as_argument(text: str, name: str) -> str:
    """Return `text` for a job of the set `name`; where it is long, '@' and a file that holds it."""
    return f"@{write(text, name)}" if len(text.encode()) > LONGEST else text


def write(text: str, name: str, sealed: bool = True) -> str:
    """Write a text for jobs of the set `name`; returns its file.

    One that is not `sealed`, as in `files.replacing`, lies with what a run can find out again: a
    seal waits for the disk.
    """
    folder = ".settings" if sealed else ".listings"
    digest = hashlib.sha256(text.encode()).hexdigest()[:16]
    path = Path("results") / name / folder / f"{digest}.json"
    # A dry run may look at a folder that cannot be written to.
    with suppress(OSError):
        if not path.is_file():
            with files.replacing(path, sealed) as temporary:
                temporary.write_text(text, encoding="utf-8")
    return str(path)
