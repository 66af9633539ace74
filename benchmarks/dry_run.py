"""How long a dry run over all of UCF101 takes: 13,320 clips of the official lists, as empty files.

    python benchmarks/dry_run.py ../shared/data/official_splits/ucfTrainTestlist

Prints a table and writes benchmarks/results/dry_run.json.
"""

import argparse
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from report import ROOT, write

TARGET = "results/ucf101/split1/acc.json"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("lists", type=Path, help="the official ucfTrainTestlist")
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        clips = 0
        data = Path(folder) / "data/ucf101"
        shutil.copytree(options.lists, data / "ucfTrainTestlist")
        for part in ("train", "test"):
            for line in (options.lists / f"{part}list01.txt").read_text().split("\n"):
                if line.strip():
                    path = data / "videos" / line.split()[0]
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.touch()
                    clips += 1
        command = [
            sys.executable,
            "-m",
            "snakemake",
            "--cores",
            "8",
            "--dry-run",
            "--directory",
            folder,
            "--snakefile",
            str(ROOT / "Snakefile"),
            TARGET,
        ]
        seconds = []
        for _ in range(options.runs):
            begun = time.perf_counter()
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            seconds.append(time.perf_counter() - begun)
    jobs = int(re.search(r"^total +(\d+)$", done.stdout, re.M)[1])
    print(f"{'clips':>8} {'jobs':>6} {'median s':>9} {'worst s':>9}")
    print(f"{clips:8} {jobs:6} {statistics.median(seconds):9.2f} {max(seconds):9.2f}")
    write(
        "dry_run", {"clips": clips, "jobs": jobs, "seconds": [round(value, 2) for value in seconds]}
    )


if __name__ == "__main__":
    main()
