"""How long Snakemake takes before it does anything, for all of UCF101: 13,320 clips of the official
lists, as empty files.

    python benchmarks/dry_run.py ../shared/data/official_splits/ucfTrainTestlist

A dry run plans all jobs of a split. A run with nothing to do finds all results there and looks
whether any must be made again. Prints a table and writes benchmarks/results/dry_run.json.
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
    parser.add_argument(
        "--tree", type=Path, default=ROOT, help="another checkout to measure, without a JSON file"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        clips = _lay_out(options.lists, Path(folder) / "data/ucf101")
        snakemake = [sys.executable, "-m", "snakemake", "--cores", "8", "--directory", folder]
        snakemake += ["--snakefile", str(options.tree / "Snakefile")]
        planned, dry = _timed([*snakemake, "--dry-run", TARGET], options.runs)
        _make_all(snakemake, Path(folder))
        nothing, no_op = _timed([*snakemake, TARGET], options.runs)
    if "Nothing to be done" not in nothing:
        sys.exit(f"error: there was something to do:\n{nothing[-2000:]}")
    jobs = int(re.search(r"^total +(\d+)$", planned, re.M)[1])
    print(f"{'':<16}{'clips':>8} {'jobs':>6} {'median s':>9} {'worst s':>9}")
    for name, seconds in (("dry run", dry), ("nothing to do", no_op)):
        median, worst = statistics.median(seconds), max(seconds)
        print(f"{name:<16}{clips:8} {jobs:6} {median:9.2f} {worst:9.2f}")
    if options.tree == ROOT:
        rounded = {"seconds": dry, "no_op_seconds": no_op}
        rounded = {key: [round(value, 2) for value in found] for key, found in rounded.items()}
        write("dry_run", {"clips": clips, "jobs": jobs, **rounded})


def _lay_out(lists: Path, data: Path) -> int:
    """Put the lists and an empty file for each clip into `data`; returns the number of clips."""
    shutil.copytree(lists, data / "ucfTrainTestlist")
    clips = 0
    for part in ("train", "test"):
        for line in (lists / f"{part}list01.txt").read_text().split("\n"):
            if line.strip():
                path = data / "videos" / line.split()[0]
                path.parent.mkdir(parents=True, exist_ok=True)
                path.touch()
                clips += 1
    return clips


def _timed(command: list[str], runs: int) -> tuple[str, list[float]]:
    """What a command prints, and the seconds that each of several runs of it takes."""
    seconds = []
    for _ in range(runs):
        begun = time.perf_counter()
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        seconds.append(time.perf_counter() - begun)
    return done.stdout + done.stderr, seconds


def _make_all(snakemake: list[str], folder: Path) -> None:
    """Make every output as an empty file, and have Snakemake note how it would have made it."""
    summary = subprocess.run(
        [*snakemake, "--summary", TARGET], capture_output=True, text=True, check=True
    ).stdout
    for line in summary.splitlines()[1:]:
        path = folder / line.split("\t")[0]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    subprocess.run([*snakemake, "--touch", TARGET], capture_output=True, check=True)


if __name__ == "__main__":
    main()
