"""Locks on GPUs, so that two jobs never share one by accident."""

import fcntl
import os
import sys
import tempfile
import time
from pathlib import Path

from pipeline.errors import PipelineError

_held = []  # lock files stay open, and so locked, until the process ends


def claim(
    names: list[str], count: int = 1, folder: Path | None = None, poll: float = 1.0
) -> list[int]:
    """Lock the first `count` free ones of `names` for the rest of this process; wait until there are. Returns their numbers.

    One job at a time gathers GPUs: two that each held half of what they want would wait for ever.
    Raises PipelineError when there are fewer than `count`.
    """
    if count > len(names):
        raise PipelineError(
            f"{count} GPUs are wanted (compute.processes) and this machine shows {len(names)}; lower it"
        )
    folder = folder or Path(tempfile.gettempdir()) / f"pipeline-gpus-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    numbers, waited = [], False
    while not (door := _locked(folder / "door.lock")):
        waited = waited or _say_waiting(names)
        time.sleep(poll)
    with door:
        while True:
            for number, gpu in enumerate(names):
                if (
                    number not in numbers
                    and len(numbers) < count
                    and (file := _locked(folder / f"{gpu}.lock"))
                ):
                    _held.append(file)
                    numbers.append(number)
            if len(numbers) == count:
                return numbers
            waited = waited or _say_waiting(names)
            time.sleep(poll)


def _locked(path: Path):
    """The file at `path`, open and locked, or None where another process holds it."""
    file = open(path, "w")  # noqa: SIM115 - closing it gives the lock back
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    return file


def _say_waiting(names: list[str]) -> bool:
    print(
        f"waiting for a GPU: all {len(names)} are held by other jobs", file=sys.stderr, flush=True
    )
    return True
