"""Damaged HDF5 files: what h5py and decoders raise as sentences, and files that HDF5 loops on."""

import os
import re
import signal
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py

from pipeline.errors import PipelineError, first_line, set_aside
from pipeline.files import MACHINE_ERRORS, reading, require_intact

# What h5py and the decoders raise; which of them depends on what is broken or missing.
UNREADABLE = (
    OSError,
    LookupError,
    RuntimeError,
    ValueError,
    TypeError,
    AttributeError,
    struct.error,
)
# A program that reads the tables of an HDF5 file, its attributes and its texts, and so comes to an
# end where reading the file does. What is wrong otherwise is found when the file is opened.
READ_TABLES = """
import math, resource, sys, time, h5py
limit = math.ceil(time.process_time()) + int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_CPU, (limit, resource.getrlimit(resource.RLIMIT_CPU)[1]))
with h5py.File(sys.argv[1], "r", locking=False) as file:
    dict(file.attrs)
    def visit(name, node):
        dict(node.attrs)
        if isinstance(node, h5py.Dataset) and node.dtype.kind == "O":
            node[...]
    file.visititems(visit)
"""
# Seconds of processor time for that; it takes less than one, however busy the machine is.
MOST_SECONDS = 30


@contextmanager
def broken(path: str | Path, what: str = "") -> Iterator[None]:
    """Turn what h5py raises of a damaged or incomplete file into a sentence.

    `what` of the file is read, such as "clip 'a'". Advises to delete the file only where its seal
    proves that it is damaged.
    """
    try:
        yield
    except UNREADABLE as error:
        reason, failed = first_line(error), _failed_system_call(error)
        if failed:
            with reading(path):
                raise OSError(failed, os.strerror(failed)) from error
        require_intact(path)
        problem = f"{what} cannot be decoded" if what else "not an HDF5 file, or cut short"
        raise PipelineError(f"{path}: {problem} ({reason}); {set_aside(path)}") from error


def _failed_system_call(error: Exception) -> int:
    """The number by which the system says why it did not read, as in h5py's text; 0 if it did."""
    if isinstance(error, OSError) and error.errno in MACHINE_ERRORS:
        return error.errno
    number = re.search(r"errno = (\d+)", str(error))
    return int(number[1]) if number else 0


def refuse_open_for_writing(path: str | Path) -> None:
    """Raise PipelineError for a file that is said to be open for writing, unless that is damage."""
    try:
        h5py.File(path, "r", locking=False).close()
    except OSError as error:
        if "already open for write" in str(error):
            raise PipelineError(
                f"{path}: another program writes to it, or was killed while it did; when it has "
                f"closed the file, run the same command again; {set_aside(path)}"
            ) from error


def require_end(path: str | Path) -> None:
    """Read what HDF5 may loop on, in another process.

    Raises PipelineError when that process does not end in time, or crashes.
    """
    status = subprocess.run(
        [sys.executable, "-c", READ_TABLES, path, str(MOST_SECONDS)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ).returncode
    # A kill, as of a job, says nothing about the file.
    problems = {
        signal.SIGXCPU: f"HDF5 comes to no end with it in {MOST_SECONDS} s",
        signal.SIGSEGV: "HDF5 crashes with it",
        signal.SIGABRT: "HDF5 crashes with it",
        signal.SIGBUS: "HDF5 crashes with it",
        signal.SIGFPE: "HDF5 crashes with it",
    }
    if problem := problems.get(-status):
        raise PipelineError(f"{path}: {problem}, so it is damaged; {set_aside(path)}")
