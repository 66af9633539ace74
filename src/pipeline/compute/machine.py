"""What a machine has: cores, memory, shared memory, GPUs, and what Triton compiles with.

Standard library only: neither torch nor a solver is imported to ask.
"""

import ctypes
import os
import shutil
import sysconfig
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

# Where a container's limits stand, in the second and in the first version of control groups.
CGROUPS = Path("/sys/fs/cgroup")
# Compilers that Triton looks for.
COMPILERS = ("gcc", "clang")


@dataclass(frozen=True)
class Gpus:
    """The NVIDIA GPUs of a machine: their names, and the version of CUDA that their driver has."""

    names: tuple[str, ...] = ()
    cuda: tuple[int, int] = (0, 0)


def cores() -> int:
    """Return the cores that this process may use: those of its container, not of the machine."""
    count = len(os.sched_getaffinity(0))
    with suppress(OSError, ValueError):
        quota, period = (CGROUPS / "cpu.max").read_text().split()
        count = min(count, max(1, round(int(quota) / int(period))))
    return count


def memory() -> tuple[int, int]:
    """Return the bytes of memory that are free, and all of them, within a container's limit."""
    rows = [line.split() for line in Path("/proc/meminfo").read_text().splitlines()]
    sizes = {row[0]: int(row[1]) * 1024 for row in rows if len(row) == 3}
    free, whole = sizes["MemAvailable:"], sizes["MemTotal:"]
    for limit, used in (
        ("memory.max", "memory.current"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
    ):
        # Without a limit there is no file, the word 'max', or a number beyond all memory.
        with suppress(OSError, ValueError):
            most = int((CGROUPS / limit).read_text())
            if most < whole:
                free = min(free, most - int((CGROUPS / used).read_text()))
                whole = most
    return max(free, 0), whole


def free_bytes(folder: str | Path) -> int | None:
    """Return the bytes that are free for files in a folder, None where it cannot be asked."""
    try:
        state = os.statvfs(folder)
    except OSError:
        return None
    return state.f_bavail * state.f_frsize


def gpus() -> Gpus:
    """Return the GPUs that this process may use, as their driver says; none where there is none."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return Gpus()
    count, version = ctypes.c_int(0), ctypes.c_int(0)
    # All functions return 0, CUDA_SUCCESS, when they succeed.
    if driver.cuInit(0) != 0 or driver.cuDeviceGetCount(ctypes.byref(count)) != 0:
        return Gpus()
    driver.cuDriverGetVersion(ctypes.byref(version))
    names = []
    for number in range(count.value):
        name = ctypes.create_string_buffer(256)
        driver.cuDeviceGetName(name, 256, number)
        names.append(name.value.decode(errors="replace"))
    # 12040 is 12.4.
    return Gpus(tuple(names), (version.value // 1000, version.value % 1000 // 10))


def missing_for_triton() -> list[str]:
    """Return what Triton lacks here to compile the flow solver for a GPU: packages to install."""
    missing = []
    compilers = [os.environ["CC"]] if os.environ.get("CC") else COMPILERS
    if not any(shutil.which(name) for name in compilers):
        missing.append("a C compiler")
    if not (Path(sysconfig.get_path("include")) / "Python.h").is_file():
        missing.append("the headers of Python (Python.h)")
    return missing
