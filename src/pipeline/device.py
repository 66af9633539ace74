"""Which processor a job runs on; two jobs never share a GPU by accident."""

import fcntl
import os
import sys
import tempfile
import time
from pathlib import Path

import torch


def prepare(threads: int) -> torch.device:
    """The device to run on: a GPU that no other job of this program holds (waits for one), else the CPU.

    On the CPU results are the same bit for bit for the same number of `threads`, so it is a setting, not a matter of
    how many cores there are.
    """
    torch.set_num_threads(threads)
    if torch.cuda.is_available():
        return torch.device("cuda", claim(_gpu_names()))
    torch.use_deterministic_algorithms(True)
    return torch.device("cpu")


def name(device: torch.device) -> str:
    """The device in words, for records."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else f"cpu, {torch.get_num_threads()} threads"


def _gpu_names() -> list[str]:
    return [str(torch.cuda.get_device_properties(number).uuid) for number in range(torch.cuda.device_count())]


_held = []  # lock files stay open, and so locked, until the process ends


def claim(names: list[str], folder: Path | None = None, poll: float = 1.0) -> int:
    """Lock the first free one of `names` for the rest of this process; wait until one is free. Returns its number."""
    folder = folder or Path(tempfile.gettempdir()) / f"pipeline-gpus-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    waited = False
    while True:
        for number, gpu in enumerate(names):
            file = open(folder / f"{gpu}.lock", "w")  # noqa: SIM115 - closing it would give the lock back
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.close()
                continue
            _held.append(file)
            return number
        if not waited:
            waited = True
            print(f"waiting for a GPU: all {len(names)} are held by other jobs", file=sys.stderr, flush=True)
        time.sleep(poll)
