"""Every stage on a disk that is full, read-only, or out of files: one sentence at the end, nothing
half made, and the same command goes on once there is room.

The workspace lies on a small tmpfs, which takes the right to mount. A file fills the disk but for
some bytes: none, so that not even Snakemake can write its lock; a few, so that the program begins;
or a number drawn from the size of what the stage makes, so that it ends anywhere in between.
"""

import random
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from faults import kills
from faults.kills import Stage
from faults.trials import HANG, REFUSED, SAME, SILENT, TRACEBACK, UNCLEAR, Trial
from workspace import Workspace

SIZE = 150 * 2**20
# Bytes that a program finds free in its trials, beside those that are drawn.
BEGINNINGS = (0, 32 * 2**10)


class NoMount(Exception):
    """This process may not mount."""


def run(seed: int, scale: float, folder: Path) -> Iterator[Trial]:
    """Yield trials of each stage in turn; raises NoMount where nothing can be mounted."""
    rng = random.Random(seed)
    stages = kills.STAGES if scale >= kills.SHORT else kills.STAGES[2:5]
    with _small_disk(folder / "disk") as disk:
        workspace = kills.workspace(disk / "work")
        done = kills.command(workspace, sorted({stage.target for stage in stages}))
        if done.returncode:
            raise RuntimeError(f"the undisturbed run failed:\n{done.stdout[-4000:]}")
        undisturbed = kills.contents(workspace.folder)
        for number, stage in enumerate(stages):
            size = sum(len(undisturbed[path]) for path in undisturbed if _is_of(path, stage))
            drawn = [rng.randrange(size + 100 * 2**10)]
            frees = [*BEGINNINGS, *drawn] if scale >= kills.SHORT else [[0], drawn][number % 2]
            for free in frees:
                yield _trial(workspace, disk, stage, undisturbed, free)
        for stage in rng.sample(stages, min(len(stages), max(1, round(6 * scale)))):
            yield _trial(workspace, disk, stage, undisturbed, None)


def _is_of(path: str, stage: Stage) -> bool:
    return any(
        Path(path).match(pattern) or path.startswith(f"{pattern}/") for pattern in stage.outputs
    )


@contextmanager
def _small_disk(folder: Path) -> Iterator[Path]:
    """Mount a small disk at `folder`; raises NoMount where that is not allowed."""
    folder.mkdir(parents=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(folder)]
    if subprocess.run(command, capture_output=True).returncode:
        raise NoMount("this user may not mount a small disk")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@contextmanager
def _trouble(disk: Path, free: int | None) -> Iterator[None]:
    """Leave `free` bytes on a disk, or make it read-only where that is None."""
    if free is None:
        _remount(disk, "ro")
        try:
            yield
        finally:
            _remount(disk, "rw")
        return
    filler = disk / "filler"
    with open(filler, "wb") as file:
        size = shutil.disk_usage(disk).free - free
        # Pages that are not written take no room.
        for _ in range(size // 2**20):
            file.write(bytes(2**20))
        file.write(bytes(size % 2**20))
    try:
        yield
    finally:
        filler.unlink()


def _remount(disk: Path, how: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{how}", str(disk)], check=True)


def _trial(
    workspace: Workspace,
    disk: Path,
    stage: Stage,
    undisturbed: dict[str, bytes],
    free: int | None,
) -> Trial:
    """Have a stage made on a disk with `free` bytes, and then with room enough."""
    kills.take_away(workspace, stage)
    with _trouble(disk, free):
        full = kills.command(workspace, [stage.target])
        found = kills.contents(workspace.folder)
    again = kills.command(workspace, [stage.target])
    kind = f"{stage.name}, " + ("read-only disk" if free is None else "full disk")
    where = "read-only" if free is None else f"{free:,} bytes free"
    outcome, detail = _judge(full, again, found, undisturbed)
    if outcome in (SAME, REFUSED):
        other = kills.differing(workspace, undisturbed)
        if other:
            outcome, detail = SILENT, f"other bytes at last: {', '.join(other[:5])}"
    return Trial("full disk", kind, outcome, f"{where}: {detail}")


def _judge(
    full: subprocess.CompletedProcess,
    again: subprocess.CompletedProcess,
    found: dict[str, bytes],
    undisturbed: dict[str, bytes],
) -> tuple[str, str]:
    """Return the outcome of a trial, apart from the bytes at last, and what to see in it."""
    for done in (full, again):
        if done.returncode is None:
            return HANG, "Snakemake did not end"
        if "Traceback" in done.stdout:
            return TRACEBACK, done.stdout[done.stdout.index("Traceback") :][:2500]
    if again.returncode:
        return UNCLEAR, f"the same command failed: {again.stdout[-1500:]}"
    half = [path for path in found if found[path] != undisturbed.get(path)]
    if half:
        return SILENT, f"half made: {', '.join(half)}"
    last = (full.stdout.strip().splitlines() or [""])[-1]
    if not full.returncode:
        return SAME, "there was room enough"
    clear = last.startswith("error: ") and any(
        words in last for words in ("the same command goes on", "nothing can be made here")
    )
    return (REFUSED, last) if clear else (UNCLEAR, full.stdout[-1500:])
