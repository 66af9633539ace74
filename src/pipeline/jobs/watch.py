"""A job of a run on this machine ends when its run ends, so that it never works beside the next.

Snakemake that is killed by `kill -9` leaves shells and programs behind. So each program looks once
a second for the processes above it, up to Snakemake, and for the record of the run, in which
Snakemake says that it stops. When either is gone the program stops as on SIGTERM. While it lives it
holds a lock, for which the next run waits. Standard library only: the Snakefile imports this.
"""

import fcntl
import json
import os
import signal
import threading
import time
from pathlib import Path

# The environment variable by which Snakemake tells its jobs which run they belong to.
VARIABLE = "PIPELINE_RUN"
# Seconds between two looks.
INTERVAL = 1.0
# Seconds that a program has for an orderly end, such as a training run for its checkpoint.
GRACE = 60.0


def start_time(pid: int) -> str | None:
    """Return when a process began, in the kernel's ticks; None where it has ended.

    A number of a process is given again after its end, but not together with the same time. Where
    the system has no /proc the time is ''.
    """
    try:
        # After the name, which may hold blanks: state, parent, 17 others, start time.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None if Path("/proc/self/stat").exists() or not _answers(pid) else ""
    # A killed process that nobody has waited for yet is still listed, as a zombie.
    return None if fields[0] in ("Z", "X") else fields[19]


def _answers(pid: int) -> bool:
    """Return whether there is a process `pid`."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def namespace() -> str:
    """Return what tells where the numbers of processes hold: a boot of a machine, a container."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return os.uname().nodename


def is_job() -> bool:
    """Return whether this program is the job of a run on this machine."""
    return bool(os.environ.get(VARIABLE))


def join_run() -> None:
    """Have this program end with the run whose job it is; a program that is no job goes on alone.

    Raises SystemExit where the run has ended already.
    """
    run = json.loads(os.environ[VARIABLE]) if is_job() else None
    if run is None or run["namespace"] != namespace():
        return
    _hold_lock(run["jobs"])
    above = _processes_above(run["process"])
    if above is None or _is_stopping(run):
        raise SystemExit(128 + signal.SIGTERM)
    threading.Thread(target=_watch, args=(run, above), daemon=True, name="watch").start()


def _hold_lock(path: str) -> None:
    """Hold a shared lock until this process and those that it forks have ended."""
    try:
        # Never closed: closing it would release the lock.
        lock = os.open(path, os.O_RDONLY | os.O_CREAT, 0o666)
        fcntl.flock(lock, fcntl.LOCK_SH)
    except OSError:
        # A file system without locks: the watch has to do.
        pass


def _processes_above(top: int) -> list[tuple[int, str]] | None:
    """Return number and start time of the processes from the parent up to `top`.

    None where one of them has ended.
    """
    above, pid = [], os.getppid()
    while True:
        started = start_time(pid)
        if started is None:
            return None
        above.append((pid, started))
        # In a container Snakemake itself may be process 1.
        if pid == top:
            return above
        if pid <= 1:
            return None
        if not started:
            # Without /proc only the parent and the top are known.
            pid = top
            continue
        try:
            pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            return None


def _is_stopping(run: dict) -> bool:
    """Return whether the record of the run says that it stops, or is that of another run."""
    try:
        record = json.loads(Path(run["record"]).read_text())
    except (OSError, ValueError):
        # Being written, or out of reach for a moment: the processes above tell enough.
        return False
    return record["stopping"] or (record["process"], record["started"]) != (
        run["process"],
        run["started"],
    )


def _watch(run: dict, above: list[tuple[int, str]]) -> None:
    """Wait until the run ends, then end this process: in order, and by force after GRACE."""
    while not _is_stopping(run) and all(start_time(pid) == started for pid, started in above):
        time.sleep(INTERVAL)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE)
    os.kill(os.getpid(), signal.SIGKILL)
