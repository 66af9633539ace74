"""Copies of shards on a disk of the node that a job runs on, for what reads them again and again.

Trainings read small pieces at random, a terabyte and more in all, which file systems that many
nodes share are slow at. The environment variable PIPELINE_COPIES names a folder, such as '$TMPDIR',
which is read on the node. A shard is copied there whole when it is first read, once for all
processes and jobs of the node that name the same folder.
"""

import fcntl
import hashlib
import os
import shutil
import sys
import tempfile
from pathlib import Path

from pipeline.errors import PipelineError
from pipeline.files import require_intact

VARIABLE = "PIPELINE_COPIES"
# Bytes that copies leave free on their disk.
SPARE = 2**30
# Folders of which was said that they are full.
_full: set[str] = set()


def copied(path: Path) -> Path:
    """Return the copy of a shard, which is made where there is none; the shard itself where no
    folder is named, or its disk has no room.

    A shard that was made again is copied again. What is copied is intact, so that damage in a copy
    is the copy's. Raises PipelineError where the folder cannot be written, or the shard is damaged.
    """
    folder = os.path.expandvars(os.environ.get(VARIABLE, ""))
    if not folder:
        return path
    stat = os.stat(path)
    known = f"{path.resolve()} {stat.st_size} {stat.st_mtime_ns} {stat.st_ino}"
    name = f"pipeline-{hashlib.sha256(known.encode()).hexdigest()[:16]}-{path.name}"
    copy = Path(folder, name)
    try:
        with open(copy.with_suffix(".lock"), "w") as lock:
            # Who comes second waits for the copy of the first.
            fcntl.flock(lock, fcntl.LOCK_EX)
            if copy.is_file() or _make(path, copy, stat.st_size):
                return copy
    except OSError as error:
        raise PipelineError(
            f"{VARIABLE} names {folder}, which cannot be written here ({error.strerror}); correct "
            f"it, or unset it: unset {VARIABLE}"
        ) from error
    if folder not in _full:
        _full.add(folder)
        print(
            f"note: {folder} has no room for a copy of {path}, which is read where it lies",
            file=sys.stderr,
        )
    return path


def _make(path: Path, copy: Path, size: int) -> bool:
    """Copy a shard of `size` bytes; returns False where the disk has no room for it."""
    if shutil.disk_usage(copy.parent).free < size + SPARE:
        return False
    require_intact(path)
    number, temporary = tempfile.mkstemp(prefix=f".{copy.stem}-", dir=copy.parent)
    os.close(number)
    try:
        shutil.copyfile(path, temporary)
        os.replace(temporary, copy)
    finally:
        Path(temporary).unlink(missing_ok=True)
    return True
