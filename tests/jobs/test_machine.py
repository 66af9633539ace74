"""What libraries say when the machine fails, and the sentence for it."""

import errno
import os
import subprocess
import sys

import numpy as np
import pytest
import torch

from pipeline.files import replacing
from pipeline.jobs import machine

CASES = {
    "a full disk": (
        OSError(errno.ENOSPC, "No space left on device", "results/a.h5"),
        "disk full: results/a.h5 could not be read or written (No space left on device); "
        "free some space, then the same command goes on",
    ),
    "a quota": (OSError(errno.EDQUOT, "x"), "disk quota used up: a file"),
    "a read-only disk": (OSError(errno.EROFS, "x", "a"), "read-only disk: a could not be"),
    "a broken disk": (OSError(errno.EIO, "x", "a"), "broken disk: a could not be"),
    "a file too large": (OSError(errno.EFBIG, "x", "a"), "file too large for its disk: a could"),
    "no permission": (PermissionError(errno.EACCES, "x", "a"), "no permission: a could not be"),
    "a disk of the network": (OSError(errno.ESTALE, "x", "a"), "disk out of reach: a could not"),
    "too many files": (OSError(errno.EMFILE, "x"), "too many files are open"),
    "HDF5, in its text": (
        OSError("Can't write data (file write failed: errno = 28, error message = 'No space')"),
        "disk full: a file could not be read or written, in the results or in ",
    ),
    "HDF5, as RuntimeError": (
        RuntimeError("Unable to flush file's cached information (No space left on device)"),
        "disk full: a file could not be",
    ),
    "torch's writer": (
        RuntimeError("[enforce fail at inline_container.cc:858] . PytorchStreamWriter failed "),
        "disk full or broken: a file could not be",
    ),
    "memory": (MemoryError(), "memory ran out; lower compute.workers"),
    "OpenCV's memory": (
        RuntimeError("OpenCV(4.11) alloc.cpp:73: error: Failed to allocate 99 bytes"),
        None,
    ),
    "no memory for a process": (OSError(errno.ENOMEM, "Cannot allocate memory"), "memory ran out"),
    "a GPU's memory": (RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"), "memory ran"),
    "a worker": (
        RuntimeError("DataLoader worker (pid 77) is killed by signal: Killed. "),
        "a process that reads batches for the network was killed (process 77: Killed), as is done "
        "where memory ran out; lower compute.workers; the same command goes on",
    ),
    "a worker without shared memory": (
        RuntimeError("DataLoader worker (pid 77) is killed by signal: Bus error. It is possible"),
        "a process that reads batches for the network was killed (process 77: Bus error), as where "
        "shared memory ran out (/dev/shm",
    ),
    "workers": (
        RuntimeError("DataLoader worker (pid(s) 7, 8) exited unexpectedly"),
        "a process that reads batches for the network was killed (process 7, 8: no message)",
    ),
    "a fault of the program": (ValueError("No space left on device"), None),
    "a file that is not there": (FileNotFoundError(errno.ENOENT, "x", "a"), None),
    "a shape": (RuntimeError("size mismatch"), None),
}


@pytest.mark.parametrize("error, expected", CASES.values(), ids=CASES)
def test_sentence(error, expected):
    found = machine.sentence(error)
    assert (found is None) if expected is None else found.startswith(expected), found


def test_memory_that_numpy_and_torch_do_not_get_is_told():
    with pytest.raises(MemoryError) as caught:
        np.empty(2**55, np.uint8)
    assert "memory ran out when 32.0 PiB more were wanted; " in machine.sentence(caught.value)
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**55, dtype=torch.uint8)
    assert f"memory ran out when {2**55} bytes more were wanted; " in machine.sentence(caught.value)


def test_the_cause_and_the_file_being_written_are_found(tmp_path):
    with pytest.raises(ValueError) as caught, replacing(tmp_path / "a.h5"):
        try:
            raise OSError(errno.ENOSPC, "No space left on device")
        except OSError as error:
            error.add_note(f"while writing {tmp_path / 'a.h5'}")
            raise ValueError("not written") from error
    assert machine.sentence(caught.value).startswith(f"disk full: {tmp_path / 'a.h5'} could not be")
    group = ExceptionGroup("of tasks", [ValueError(), OSError(errno.EROFS, "x", "a")])
    assert machine.sentence(group).startswith("read-only disk: a")


WRITE = """
import resource, sys
import h5py, numpy as np, torch
from pipeline.files import replacing
from pipeline.jobs import program
from pipeline.models.checkpoint import save_torch
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))

def main():
    if sys.argv[1].endswith(".pt"):
        return save_torch(sys.argv[1], torch.zeros(100_000))
    with replacing(sys.argv[1]) as path:
        if path.name.startswith(".a.png"):
            from matplotlib.figure import Figure
            figure = Figure((60, 60))
            figure.figimage(np.random.default_rng(0).random((4000, 4000)))
            figure.savefig(path, format="png")
        else:
            with h5py.File(path, "w") as file:
                for name in "abcdefgh":
                    file[name] = np.random.default_rng(0).random(20_000)

program.run(main)
"""


@pytest.mark.parametrize("name", ["a.pt", "a.h5", "a.png"])
def test_a_program_that_cannot_write_ends_with_a_sentence(tmp_path, name):
    """A limit on the size of files, which takes no rights, stands for a disk without room."""
    done = subprocess.run(
        [sys.executable, "-c", WRITE, tmp_path / name],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "MPLCONFIGDIR": str(tmp_path)},
    )
    (line,) = done.stderr.splitlines()
    assert done.returncode == 1
    assert line.startswith("error: ") and f"{tmp_path / name} could not be written" in line
    assert not list(tmp_path.glob("*a.p*")) and not list(tmp_path.glob("*a.h5*"))
