"""Failures of the machine as sentences: a full or broken disk, memory or open files used up.

Libraries report them in many ways: as OSError with or without a number, as RuntimeError of HDF5 or
torch with the number in the text, and as MemoryError.
"""

import errno
import os
import re
import tempfile
from collections.abc import Iterator

from pipeline.files import WRITING

ROOM = "free some space, then the same command goes on"
# What failed, and what to do about it, by the number of the error.
DISK = {
    errno.ENOSPC: ("disk full", ROOM),
    errno.EDQUOT: ("disk quota used up", ROOM),
    errno.EROFS: ("read-only disk", "make it writable, then the same command goes on"),
    errno.EFBIG: ("file too large for its disk", "use a disk that holds large files"),
    errno.EIO: ("broken disk", "check the disk, then the same command goes on"),
    errno.ESTALE: ("disk out of reach", "mount it again, then the same command goes on"),
    errno.ENODEV: ("disk out of reach", "mount it again, then the same command goes on"),
    errno.ETIMEDOUT: ("disk out of reach", "the same command goes on when it answers"),
    errno.EACCES: ("no permission", "have the permissions mended, then the same command goes on"),
    errno.EPERM: ("no permission", "have the permissions mended, then the same command goes on"),
}
FILES = {errno.EMFILE, errno.ENFILE}
# How texts of HDF5 give the number: 'errno = 28, error message = ..'.
NUMBER = re.compile(r"errno = (\d+)|\[Errno (\d+)\]|\(os error (\d+)\)")
# Texts of torch and OpenCV for memory that ran out.
MEMORY = re.compile(
    r"DefaultCPUAllocator: (?:can't|not enough)|out of memory|Insufficient memory|"
    r"unable to mmap|Cannot allocate memory|std::bad_alloc",
    re.IGNORECASE,
)
# What torch says of a worker of its loader that was killed, wherever the main thread is just then.
WORKER = re.compile(
    r"DataLoader worker \(pid\D*([\d, ]+)\) (?:is killed by signal: (.+?)\.|exited)"
)
SHARED_MEMORY = "/dev/shm"
# torch tells no reason when a write fails.
TORCH_WRITE = "PytorchStreamWriter failed"


def sentence(error: BaseException | None) -> str | None:
    """Return what of the machine has failed and what to do, None for an error of another kind."""
    causes = list(_causes(error))
    ends = [found for cause in causes if (found := WORKER.search(str(cause)))]
    if ends:
        # Of several errors about one worker only the first tells the signal.
        found = next((end for end in ends if end[2]), ends[0])
        return _worker(found[1], found[2] or "no message")
    for cause in causes:
        if isinstance(cause, MemoryError) or (
            isinstance(cause, RuntimeError | OSError | SystemError) and MEMORY.search(str(cause))
        ):
            return _memory(cause)
        number = _number(cause)
        if number in FILES or "Too many open files" in str(cause):
            return (
                f"too many files are open ({os.strerror(errno.EMFILE)}); raise the limit, as by "
                "`ulimit -n 4096`, then the same command goes on"
            )
        if number == errno.ENOMEM:
            return _memory(cause)
        if number in DISK:
            what, cure = DISK[number]
            return f"{what}: {_file(cause)} ({os.strerror(number)}); {cure}"
        if TORCH_WRITE in str(cause):
            return f"disk full or broken: {_file(cause)} (torch: file write failed); {ROOM}"
    return None


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and those that led to it."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        if isinstance(error, BaseExceptionGroup):
            yield from (cause for part in error.exceptions for cause in _causes(part))
        error = error.__cause__ or error.__context__


def _number(error: BaseException) -> int | None:
    """Return the number of an error of the system, None where it has none."""
    if not isinstance(error, OSError | RuntimeError):
        return None
    if getattr(error, "errno", None):
        return error.errno
    if found := NUMBER.search(str(error)):
        return int(next(filter(None, found.groups())))
    texts = {os.strerror(number): number for number in [*DISK, *FILES]}
    return next((number for text, number in texts.items() if text in str(error)), None)


def _file(error: BaseException) -> str:
    """Return which file could not be read or written, as far as the error tells."""
    notes = getattr(error, "__notes__", [])
    written = [note.removeprefix(WRITING) for note in notes if note.startswith(WRITING)]
    if written:
        return f"{written[0]} could not be written"
    if named := getattr(error, "filename", None):
        return f"{named} could not be read or written"
    return f"a file could not be read or written, in the results or in {tempfile.gettempdir()}"


def _memory(error: BaseException) -> str:
    """Return the sentence for memory that ran out, with how much was wanted where that is told."""
    found = re.search(r"allocate (.+? [KMGTP]?i?B)\b|allocate (\d+) bytes", str(error))
    wanted = f" when {found[1] or found[2] + ' bytes'} more were wanted" if found else ""
    return (
        f"memory ran out{wanted}; lower compute.workers or --cores, or raise compute.accumulate; "
        "the same command goes on"
    )


def _worker(process: str, how: str) -> str:
    """Return the sentence for a worker of a loader that was killed."""
    if "Bus error" in how:
        room = os.statvfs(SHARED_MEMORY) if os.path.isdir(SHARED_MEMORY) else None
        size = f", which has {room.f_blocks * room.f_frsize / 1e6:,.0f} MB" if room else ""
        why = f"as where shared memory ran out ({SHARED_MEMORY}{size}); make that larger, or lower"
    else:
        why = "as is done where memory ran out; lower"
    return (
        f"a process that reads batches for the network was killed (process {process}: {how}), "
        f"{why} compute.workers; the same command goes on"
    )
