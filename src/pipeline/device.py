"""Which processor a job runs on, and with what arithmetic; two jobs never share a GPU by accident."""

import fcntl
import os
import sys
import tempfile
import time
from pathlib import Path

import torch

from pipeline import ranks
from pipeline.errors import PipelineError


def prepare(threads: int) -> torch.device:
    """The device to run on: a GPU that no other job of this program holds (waits for one), else the CPU.

    On the CPU results are the same bit for bit for the same number of `threads`, so it is a setting, not a matter of
    how many cores there are. Of several processes each gets a GPU of its own.
    """
    torch.set_num_threads(threads)
    ranks.start()
    if torch.cuda.is_available():
        numbers = claim(_gpu_names(), ranks.count()) if ranks.rank() == 0 else ranks.count() * [0]
        processor = torch.device("cuda", ranks.from_first(numbers)[ranks.rank()])
        torch.cuda.set_device(processor)
        return processor
    torch.use_deterministic_algorithms(True)
    return torch.device("cpu")


def precision(wanted: str, processor: torch.device) -> str:
    """The arithmetic of a training, 'float32' or 'bfloat16'; 'auto' is bfloat16 on a GPU that has it in hardware.

    bfloat16 is mixed precision: products in it, sums, weights, losses and steps in float32.
    """
    if wanted != "auto":
        return wanted
    return "bfloat16" if processor.type == "cuda" and torch.cuda.is_bf16_supported(False) else "float32"


def layout(wanted: str, processor: torch.device) -> torch.memory_format:
    """The order of values in memory: 'auto' is channels last on a GPU, as its tensor cores take it, and else first."""
    last = wanted == "channels_last" or (wanted == "auto" and processor.type == "cuda")
    return torch.channels_last if last else torch.contiguous_format


def name(device: torch.device) -> str:
    """The device in words, for records."""
    words = torch.cuda.get_device_name(device) if device.type == "cuda" else f"cpu, {torch.get_num_threads()} threads"
    return words if ranks.count() == 1 else f"{ranks.count()} x {words}"


def _gpu_names() -> list[str]:
    return [str(torch.cuda.get_device_properties(number).uuid) for number in range(torch.cuda.device_count())]


_held = []  # lock files stay open, and so locked, until the process ends


def claim(names: list[str], count: int = 1, folder: Path | None = None, poll: float = 1.0) -> list[int]:
    """Lock the first `count` free ones of `names` for the rest of this process; wait until there are. Returns their numbers.

    One job at a time gathers GPUs: two that each held half of what they want would wait for ever.
    Raises PipelineError when there are fewer than `count`.
    """
    if count > len(names):
        raise PipelineError(f"{count} GPUs are wanted (compute.processes) and this machine shows {len(names)}; lower it")
    folder = folder or Path(tempfile.gettempdir()) / f"pipeline-gpus-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    numbers, waited = [], False
    while not (door := _locked(folder / "door.lock")):
        waited = waited or _say_waiting(names)
        time.sleep(poll)
    with door:
        while True:
            for number, gpu in enumerate(names):
                if number not in numbers and len(numbers) < count and (file := _locked(folder / f"{gpu}.lock")):
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
    print(f"waiting for a GPU: all {len(names)} are held by other jobs", file=sys.stderr, flush=True)
    return True
