"""Functions for a process with limits: they return, fail, crash, loop or wait."""

import ctypes
import errno
import os
import signal
import time

import numpy as np

from pipeline.errors import MachineError, PipelineError


def arrays(path, count):
    print("what libraries print")
    return {
        "text": f"{path} é \udcff",
        "none": None,
        "a": np.arange(count, dtype=">f4").reshape(2, -1).T,
        "b": np.array(3, np.int16),
        "empty": np.zeros((0, 5)),
        "truth": np.array([True, False]),
        "size": os.getpid(),
    }


def large(path):
    return {"a": np.arange(3_000_000)}


def fail(path, kind):
    match kind:
        case "ours":
            raise PipelineError(f"{path}: one\ntwo")
        case "machine":
            raise MachineError("disk full")
        case "disk":
            raise OSError(errno.EIO, "Input/output error")
        case "hdf5 disk":
            raise OSError("Can't read data (file read failed: errno = 5, error message = 'Input")
        case "hdf5":
            raise OSError("Can't open file (errno = 2)")
        case "deep":
            raise RecursionError("too deep\nmore")
        case "memory":
            np.ones(10**10)
        case "crash":
            ctypes.string_at(0)
        case "abort":
            os.abort()
        case "loop":
            while True:
                pass
        case "sleep":
            time.sleep(60)
        case "exit":
            os._exit(3)
        case "killed":
            os.kill(os.getpid(), signal.SIGKILL)


def interrupt(path):
    os.kill(os.getppid(), signal.SIGINT)
    time.sleep(60)
