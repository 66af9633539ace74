"""What a machine has: cores, memory and shared memory, by the standard library."""

import os
from contextlib import suppress
from pathlib import Path

# Where a container's limits stand, in the second and in the first version of control groups.
CGROUPS = Path("/sys/fs/cgroup")


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
