"""A function called in a process of its own, with limits on memory and time.

Readers of other people's files crash on some of them, never end on others, or want all memory that
there is. In a process of their own they do no harm, and end as one sentence. Nothing is pickled:
arguments are JSON, results are JSON and the bytes of arrays.
"""

import errno
import json
import os
import re
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from threading import Timer
from typing import BinaryIO

import numpy as np

from pipeline.errors import MachineError, PipelineError, first_line

# Address space of the process in bytes, of which libraries take 0.5 GB.
MEMORY = 4 << 30
# Processor time in seconds for a small file; a large one gets a second more for SECOND bytes.
SECONDS, SECOND = 30, 10 << 20
# A disk may be slow or asleep: what passes on the clock for one second of processor time.
PATIENCE = 10
# The share of the processor time from which a process that ran out of the time on the clock was
# computing, on a busy machine, and not waiting for a disk.
COMPUTING = 0.1
# Kinds of arrays that are handed back: truth values, integers and floats.
KINDS = "biuf"
# What the new process runs. It finds modules where this one does.
PROGRAM = (
    "import json, sys; request = json.load(sys.stdin); sys.path[:] = request['path']; "
    "from pipeline.jobs import limits; limits.answer(request)"
)
# Libraries that compute in threads reserve address space for each of them.
ONE_THREAD = {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}
# Signals by which a process dies of its own fault.
CRASHES = {signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL}
# What a disk says that fails or is full.
FAILING = {errno.EIO, errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.ESTALE}


def call(
    function: Callable[..., dict],
    path: str | Path,
    *arguments,
    cure: str,
    memory: int | None = None,
) -> dict:
    """Return what `function(path, *arguments)` returns, called in a process with limits.

    `function` is one of a module; its arguments are text, numbers, truth values or None, and it
    returns a dict of arrays and of what JSON holds. `path` is the file that it reads, and `cure`
    ends a sentence about it: what to do. `memory` is in bytes, by default MEMORY. The process takes
    0.1 s to start, and what imports of the function's module take.
    Raises PipelineError where the function does so, fails, crashes or goes beyond the limits, and
    MachineError where the process is killed from outside.
    """
    memory, seconds = memory or MEMORY, SECONDS + _size(path) // SECOND
    request = {
        "path": sys.path,
        "function": [function.__module__, function.__qualname__],
        "arguments": [str(path), *arguments],
        "limits": [memory, seconds],
    }
    process = subprocess.Popen(
        [sys.executable, "-P", "-c", PROGRAM],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=os.environ | ONE_THREAD,
    )
    out_of_time, before = [], _children_seconds()
    timer = Timer(PATIENCE * seconds, lambda: (out_of_time.append(True), process.kill()))
    timer.start()
    with process:
        try:
            process.stdin.write(json.dumps(request).encode())
            process.stdin.close()
            result = _receive(process.stdout, memory)
        except BrokenPipeError:
            result = None
        except BaseException:
            process.kill()
            raise
        finally:
            timer.cancel()
    if out_of_time and result is None:
        if _children_seconds() - before > COMPUTING * seconds:
            raise _endless(path, cure, seconds)
        raise MachineError(
            f"{path}: not read within {PATIENCE * seconds} seconds; see that its disk answers, and "
            "run it again"
        )
    if result is None:
        raise _death(process.returncode, path, cure, memory, seconds)
    if "failure" in result:
        kind, message = result["failure"]
        texts = {
            "pipeline": message,
            "machine": message,
            "memory": f"{path}: reading it takes more than {memory >> 30} GB of memory; {cure}",
            "disk": f"{path}: its disk fails ({message}); mend that, and run it again",
            "other": f"{path}: cannot be read ({message}); {cure}",
        }
        raise (MachineError if kind in ("machine", "disk") else PipelineError)(texts[kind])
    return result


def answer(request: dict) -> None:
    """Call the function of a request, in the new process, and write its result to stdout."""
    # What libraries print must not mix with the result.
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    memory, seconds = request["limits"]
    for what, limit in (
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_CORE, 0),
    ):
        hard = resource.getrlimit(what)[1]
        limit = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        resource.setrlimit(what, (limit, hard))
    try:
        module, name = request["function"]
        result = getattr(import_module(module), name)(*request["arguments"])
        _send(out, result)
    except PipelineError as error:
        _send_failure(out, "machine" if isinstance(error, MachineError) else "pipeline", str(error))
    except MemoryError:
        _send_failure(out, "memory", "")
    # Whatever a reader raises says that it cannot read the file.
    except Exception as error:
        kind = "disk" if is_disk_failure(error) else "other"
        _send_failure(out, kind, f"{type(error).__name__}: {first_line(error)}")
    out.close()


def is_disk_failure(error: Exception) -> bool:
    """Whether an exception says that a disk fails or is full; HDF5 has the number in its text."""
    said = re.search(r"errno = (\d+)", str(error))
    number = int(said[1]) if said else getattr(error, "errno", None)
    return isinstance(error, OSError) and number in FAILING


def _send(out: BinaryIO, result: dict) -> None:
    """Write a result: a line of JSON, in which arrays are types and shapes, and their bytes."""
    arrays = {key: value for key, value in result.items() if isinstance(value, np.ndarray)}
    head = {
        "values": {key: value for key, value in result.items() if key not in arrays},
        "arrays": [
            [key, array.dtype.newbyteorder("=").str, array.shape] for key, array in arrays.items()
        ],
    }
    out.write(json.dumps(head).encode() + b"\n")
    for array in arrays.values():
        array = np.ascontiguousarray(array, array.dtype.newbyteorder("="))
        out.write(array.reshape(-1).view(np.uint8))


def _send_failure(out: BinaryIO, kind: str, message: str) -> None:
    _send(out, {"failure": [kind, message]})


def _receive(stream: BinaryIO, memory: int) -> dict | None:
    """The result that `_send` wrote, or None where its end is missing."""
    line = stream.readline(memory)
    if not line.endswith(b"\n"):
        return None
    head = json.loads(line)
    result = head["values"]
    for key, type_text, shape in head["arrays"]:
        dtype = np.dtype(type_text)
        if dtype.kind not in KINDS:
            raise TypeError(f"arrays of type {dtype} are not handed back")
        result[key] = np.empty(shape, dtype)
        if not _fill(stream, memoryview(result[key].reshape(-1).view(np.uint8))):
            return None
    return result


def _fill(stream: BinaryIO, buffer: memoryview) -> bool:
    """Read into the whole buffer; False where the stream ends before."""
    while len(buffer):
        count = stream.readinto(buffer)
        if not count:
            return False
        buffer = buffer[count:]
    return True


def _death(status: int, path: str | Path, cure: str, memory: int, seconds: int) -> PipelineError:
    """The error to raise for a process that ended with `status` and without a result."""
    if -status == signal.SIGXCPU:
        return _endless(path, cure, seconds)
    if -status in CRASHES:
        name = signal.Signals(-status).name
        return PipelineError(f"{path}: damaged: what reads it crashed ({name}); {cure}")
    if status < 0:
        return MachineError(
            f"{path}: what reads it was killed (signal {-status}), as the system does when memory "
            "runs out; run it again"
        )
    return PipelineError(
        f"{path}: what reads it ended without a result (status {status}), which may be for want of "
        f"memory (limit {memory >> 30} GB); {cure}"
    )


def _endless(path: str | Path, cure: str, seconds: int) -> PipelineError:
    return PipelineError(f"{path}: reading it takes more than {seconds} seconds; {cure}")


def _children_seconds() -> float:
    """Processor time of the processes that this one has started, and that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _size(path: str | Path) -> int:
    """The size of a file in bytes; 0 where there is none."""
    try:
        return Path(path).stat().st_size
    except OSError:
        return 0
