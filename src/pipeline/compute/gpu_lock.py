"""Locks on GPUs, so that two jobs of one machine never share a GPU by accident."""

import fcntl
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from pipeline.errors import PipelineError

# The lock files of this process stay open, and so locked, until the process ends.
_held: list[TextIO] = []


def claim(
    names: list[str], count: int = 1, folder: Path | None = None, poll: float = 1.0
) -> list[int]:
    """Lock the first `count` free GPUs of `names` and return their indices in `names`.

    Waits until that many are free and asks every `poll` seconds. The locks lie in `folder`, by
    default one per user in the system's folder of temporary files, and last until this process
    ends.

    Raises PipelineError when there are fewer than `count` GPUs.
    """
    return next(filter(None, claims(names, count, folder, poll)))


def claims(
    names: list[str], count: int = 1, folder: Path | None = None, poll: float = 1.0
) -> Iterator[list[int]]:
    """Do as `claim` does: yield [] after each try that finds too few GPUs, then the indices.

    The next try waits for `poll` seconds.
    """
    if count > len(names):
        raise PipelineError(
            f"{count} GPUs are wanted (compute.processes) and this machine shows {len(names)}; "
            "lower it"
        )
    folder = folder or Path(tempfile.gettempdir()) / f"pipeline-gpus-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    # Only the holder of the door lock gathers GPUs: two jobs that each held half of the GPUs that
    # they want would wait for each other for ever.
    waiting = False
    while not (door := _try_lock(folder / "door.lock")):
        waiting = waiting or _report_waiting(names)
        yield []
        time.sleep(poll)
    claimed: list[int] = []
    with door:
        while True:
            for index, name in enumerate(names):
                if index in claimed or len(claimed) == count:
                    continue
                if file := _try_lock(folder / f"{name}.lock"):
                    _held.append(file)
                    claimed.append(index)
            if len(claimed) == count:
                break
            waiting = waiting or _report_waiting(names)
            yield []
            time.sleep(poll)
    yield claimed


def _try_lock(path: Path) -> TextIO | None:
    """Return the file at `path`, open and locked, or None where another process holds the lock."""
    file = open(path, "w")  # noqa: SIM115 - closing the file would release the lock
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    return file


def _report_waiting(names: list[str]) -> bool:
    """Tell the user once that this job waits; returns True."""
    print(
        f"waiting for a GPU: all {len(names)} are held by other jobs", file=sys.stderr, flush=True
    )
    return True
