"""Where the benchmarks' results go: benchmarks/results/<name>.json, with the machine, the versions
and the date.
"""

import datetime
import json
import os
import platform
from pathlib import Path

from pipeline.jobs.record import versions

ROOT = Path(__file__).resolve().parents[1]


def machine() -> dict:
    """The machine, the versions and the date."""
    processor = platform.processor() or platform.machine()
    if Path("/proc/cpuinfo").is_file():
        named = [
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ]
        processor = named[0] if named else processor
    return {
        "date": datetime.date.today().isoformat(),
        "processor": processor,
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "packages": versions(),
    }


def write(name: str, result: dict) -> None:
    """Write one benchmark's result with what it was measured on."""
    content = machine() | result
    path = ROOT / "benchmarks" / "results" / f"{name}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(content, indent=1) + "\n")
    print(f"written to {path.relative_to(ROOT)}")
