"""One run at a time in a folder, and no lock that outlives its run.

A run holds an flock on `.snakemake/pipeline.lock`, which the kernel releases however the run dies,
and writes into that file who it is. Whoever finds the file free but filled knows that its run was
killed: what that run left, Snakemake's own locks, is removed, and its jobs are waited for, as they
stop by themselves (`jobs/watch.py`). So after any kill the same command goes on, and nobody needs
`snakemake --unlock`.
"""

import errno
import fcntl
import json
import os
import re
import shlex
import socket
import sys
import time
from pathlib import Path

from pipeline.errors import MachineError, PipelineError
from pipeline.jobs import watch

FOLDER = Path(".snakemake")
# What flock says where a file system has no locks.
NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL}
# File systems whose locks hold for every process that sees the file: it is on one machine only, or
# the server keeps the locks. On others a lock may hold on one machine only.
RELIABLE = {
    "btrfs",
    "ceph",
    "ext2",
    "ext3",
    "ext4",
    "f2fs",
    "nfs4",
    "overlay",
    "tmpfs",
    "xfs",
    "zfs",
}
# Seconds in which the jobs of a killed run must have stopped.
PATIENCE = watch.GRACE + 30


class RunLock:
    """The lock of the current folder, held from `take` until this process ends.

    After `release` the record is empty again: the run has ended in order.
    """

    def __init__(self, folder: Path = FOLDER):
        self.path, self.jobs = folder / "pipeline.lock", folder / "pipeline.jobs"
        self.record: dict = {}

    def take(self) -> None:
        """Take the lock, and clear away what a killed run has left.

        Raises PipelineError where another run works here, or may do so on another machine, and
        MachineError where the folder cannot be written.
        """
        try:
            self.path.parent.mkdir(exist_ok=True)
            # It stays open, and so locked, until this process ends.
            self.file = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as error:
            raise MachineError(
                f"{Path.cwd()}: nothing can be made here, since {self.path} cannot be written "
                f"({error.strerror}); `snakemake -n` shows what would be made"
            ) from error
        locked = self._lock()
        before = self._read()
        if locked is False or (before and not _has_ended(before, locked, self.path)):
            raise PipelineError(_busy(before, self.path))
        if before:
            self._wait_for_jobs(before)
            # The locks of the killed run. A living one would have the record.
            for lock in self.path.parent.glob("locks/*.lock"):
                lock.unlink(missing_ok=True)
        process = os.getpid()
        self.record = {
            "process": process,
            "started": watch.start_time(process),
            "stopping": False,
            "host": socket.gethostname(),
            "namespace": watch.namespace(),
            "since": time.strftime("%Y-%m-%d %H:%M:%S"),
            "command": _command(),
        }
        self._write(self.record)

    def for_jobs(self) -> str:
        """Return what `watch.join_run` wants to know of this run, as text."""
        run = {key: self.record[key] for key in ("process", "started", "namespace")}
        return json.dumps(
            run | {"record": str(self.path.absolute()), "jobs": str(self.jobs.absolute())}
        )

    def stop_jobs(self) -> None:
        """Say that the run stops, which its jobs see within a second."""
        self._write(self.record | {"stopping": True})

    def release(self) -> None:
        """Empty the record; the lock itself ends with this process."""
        os.ftruncate(self.file, 0)

    def _lock(self) -> bool | None:
        """Lock the file; False where another process has it, None where there are no locks."""
        try:
            fcntl.flock(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError as error:
            if error.errno not in NO_LOCKS:
                raise
            return None
        return True

    def _read(self) -> dict:
        """Return the record of the run that holds or held the lock, {} where it ended in order."""
        try:
            return json.loads(os.pread(self.file, 2**20, 0))
        except ValueError:
            # A run that was killed while it wrote its record had not begun anything.
            return {}

    def _write(self, record: dict) -> None:
        # 'false' and 'true ' are equally long, so saying that a run stops needs no room on a disk.
        text = json.dumps(record, indent=1).replace('"stopping": true', '"stopping": true ')
        try:
            os.pwrite(self.file, text.encode(), 0)
            os.ftruncate(self.file, len(text.encode()))
        except OSError as error:
            os.ftruncate(self.file, 0)
            raise MachineError(
                f"disk full: {self.path} could not be written ({error.strerror}); free some space, "
                "then the same command goes on"
            ) from error

    def _wait_for_jobs(self, before: dict) -> None:
        """Wait until no job of the killed run holds the lock of jobs."""
        with open(self.jobs, "w") as file:
            for second in range(int(PATIENCE)):
                try:
                    return fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    if second == 0:
                        print(
                            f"waiting for jobs of the run that was killed (process "
                            f"{before['process']}) to stop",
                            file=sys.stderr,
                            flush=True,
                        )
                    time.sleep(1)
                except OSError:
                    return None
        raise MachineError(
            f"jobs of the run that was killed (process {before['process']}) have not stopped "
            f"within {PATIENCE:.0f} seconds, as where a disk does not answer; the same command "
            "goes on when they have"
        )


def _has_ended(before: dict, locked: bool | None, path: Path) -> bool:
    """Return whether the run of the record `before` has ended for certain."""
    same = before["namespace"] == watch.namespace()
    if locked is None:
        return same and watch.start_time(before["process"]) != before["started"]
    return same or before["host"] == socket.gethostname() or _file_system(path) in RELIABLE


def _file_system(path: Path) -> str:
    """Return the type of the file system that a file is on, '' where nobody knows."""
    found = "", ""
    try:
        mounts = Path("/proc/self/mountinfo").read_text().splitlines()
    except OSError:
        return ""
    absolute = path.resolve()
    for line in mounts:
        own, _, of_system = line.partition(" - ")
        # Blanks and such stand as octal numbers.
        point = re.sub(r"\\(\d{3})", lambda code: chr(int(code[1], 8)), own.split()[4])
        kind, _, options = of_system.split(maxsplit=2)
        if absolute.is_relative_to(point) and len(point) >= len(found[0]):
            # A mount of NFS may be told to keep its locks to itself.
            local = "local_lock=all" in options or "local_lock=flock" in options
            found = point, "" if local else kind
    return found[1]


def _busy(run: dict, path: Path) -> str:
    """Return the sentence that refuses a run beside another."""
    if not run:
        return (
            "another run works in this folder, and began a moment ago; wait for it, or look with "
            "`snakemake -n`"
        )
    who = f"process {run['process']} on {run['host']} since {run['since']}: `{run['command']}`"
    if run["namespace"] != watch.namespace() and run["host"] != socket.gethostname():
        return (
            f"another run may work in this folder ({who}), and this machine cannot tell whether it "
            f"lives; wait for it, or look with `snakemake -n`; if {run['host']} has ended it, run "
            f"the same command there, or delete {path}"
        )
    return f"another run works in this folder ({who}); wait for it, or look with `snakemake -n`"


def _command() -> str:
    """Return the command of this run, as one would type it."""
    program = Path(sys.argv[0])
    name = "snakemake" if program.name == "__main__.py" else program.name
    return shlex.join([name, *sys.argv[1:]])
