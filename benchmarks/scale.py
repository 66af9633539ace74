"""What Snakemake takes before the first job of a run, by the size of the set.

    python benchmarks/scale.py ../shared/data/official_splits/ucfTrainTestlist

Sets are made of empty files: UCF101 by its official lists, ten copies of it with 133,200 clips, and
400 classes of 600 clips that are groups of their own, as in Kinetics. Of each target it measures

    dry run        all jobs are planned, and told
    nothing to do  all results are there, with Snakemake's metadata
    a changed clip until the first job, behind one video that has changed since
    a job's own    the Snakemake that a cluster starts for each job, of a shard of flow

in seconds of a processor, since other programs of a machine take from those of the clock, and in
the largest memory of a process. Prints a table and writes benchmarks/results/scale.json, in which
rows stay that a call with --only or --dry does not measure.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from report import ROOT, write

COPIES, CLASSES, CLIPS_OF_CLASS = 10, 400, 600
# A part of the clips of each class that is tested on.
TESTED = 10
# Weights are none, so that a run looks for none.
CONFIG = """\
sets:
  ucf101: {format: ucf101, videos: ucf101/videos, lists: ucf101/lists, shards: 100}
  copies: {format: ucf101, videos: copies/videos, lists: copies/lists, shards: 1000}
  many: {format: ucf101, videos: many/videos, lists: many/lists, shards: 1000}
all_sets: {network: {weights: none}}
"""
# Snakemake touches a tenth of a second before the next job.
TOUCHING = (
    "import snakemake.executors.touch as touch; touch.Executor.SLEEPING_TIME = 0; "
    "from snakemake.cli import main; main()"
)
RESULT, TABLES = "split1/acc.json", "tables.json"
CASES = (("ucf101", RESULT), ("ucf101", TABLES), ("copies", RESULT), ("copies", TABLES))
CASES += (("many", RESULT),)


# A small program that runs a command and says in a last line what it took: the kernel counts the
# memory of a process from before its `exec`, so that a large parent would be counted for it.
MEASURE = """
import os, subprocess, sys
status, usage = os.wait4(subprocess.Popen(sys.argv[1:]).pid, 0)[1:]
print(f"\\n[{usage.ru_utime + usage.ru_stime}, {usage.ru_maxrss}]")
sys.exit(os.waitstatus_to_exitcode(status))
"""


class Taken(NamedTuple):
    """What a command took: seconds of a processor and of the clock, and MB; and what it said."""

    seconds: float
    clock: float
    megabytes: float
    said: str
    status: int


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("lists", type=Path, help="the official ucfTrainTestlist")
    parser.add_argument("--runs", type=int, default=1, help="the least of so many is told")
    parser.add_argument("--only", nargs="+", help="parts of the names of cases, as many/split1")
    parser.add_argument("--dry", action="store_true", help="dry runs and a job's own alone")
    parser.add_argument(
        "--tree", type=Path, default=ROOT, help="another checkout to measure, without a JSON file"
    )
    options = parser.parse_args()
    wanted = [case for case in CASES if _is_wanted("/".join(case), options.only)]
    print(f"{'':<20}{'clips':>9}{'jobs':>7} {'':<15}{'CPU s':>7}{'clock s':>9}{'MB':>7}")
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder), options.tree, options.runs)
        for name, target in wanted:
            clips = bench.lay_out(name, options.lists)
            for row in bench.measure(name, target, options.dry):
                rows.append({"target": f"{name}/{target}", "clips": clips} | row)
                print(_line(rows[-1]), flush=True)
    if options.tree == ROOT:
        write("scale", {"rows": _with_earlier(rows)})


def _with_earlier(rows: list[dict]) -> list[dict]:
    """Return rows, and those of earlier calls that measured something else."""
    path = ROOT / "benchmarks/results/scale.json"
    earlier = json.loads(path.read_text())["rows"] if path.is_file() else []
    measured = {(row["target"], row["what"]) for row in rows}
    return [row for row in earlier if (row["target"], row["what"]) not in measured] + rows


def _is_wanted(case: str, only: list[str] | None) -> bool:
    return not only or any(part in case for part in only)


def _line(row: dict) -> str:
    return (
        f"{row['target']:<20}{row['clips']:>9,}{row['jobs']:>7,} {row['what']:<15}"
        f"{row['cpu_seconds']:>7.1f}{row['seconds']:>9.1f}{row['megabytes']:>7.0f}"
    )


class Bench:
    """A folder with sets of empty files, and runs of the workflow of `tree` in it."""

    def __init__(self, folder: Path, tree: Path, runs: int):
        self.folder, self.runs = folder, runs
        folder.mkdir(exist_ok=True)
        (folder / "scale.yaml").write_text(CONFIG)
        # In place of the programs of jobs: what is measured ends where the first of them begins.
        (folder / "bin").mkdir()
        stub = folder / "bin/python"
        stub.write_text("#!/bin/sh\nexit 1\n")
        stub.chmod(0o755)
        self.options = ["--directory", str(folder), "--snakefile", str(tree / "Snakefile")]
        self.options += ["--configfile", str(folder / "scale.yaml"), "--cores", "8"]

    def lay_out(self, name: str, lists: Path) -> int:
        """Make the set `name`, unless it is there; returns the number of its clips."""
        folder = self.folder / name
        if not folder.is_dir():
            (folder / "lists").mkdir(parents=True)
            make = {"ucf101": _ucf101, "copies": _copies, "many": _many}[name]
            for list_name, lines in make(lists):
                (folder / "lists" / list_name).write_text("".join(f"{line}\n" for line in lines))
            for file in _files(folder / "lists"):
                path = folder / "videos" / file
                path.parent.mkdir(parents=True, exist_ok=True)
                path.touch()
        return len(_files(folder / "lists"))

    def measure(self, name: str, target: str, is_dry: bool) -> Iterator[dict]:
        """Yield what each command takes on a set."""
        path = f"results/{name}/{target}"
        dry = self._least(["--dry-run", path])
        if dry.status:
            sys.exit(f"error: {dry.said[-2000:]}")
        jobs = int(re.search(r"^total +(\d+)$", dry.said, re.M)[1])
        yield _row("dry run", jobs, dry)
        yield _row("a job's own", jobs, self._least(self._nested(name)))
        if is_dry:
            return
        self._make_all(path)
        nothing = self._least([path])
        if "Nothing to be done" not in nothing.said:
            sys.exit(f"error: there was something to do:\n{nothing.said[-2000:]}")
        yield _row("nothing to do", jobs, nothing)
        changed = self._least([path], before=lambda: self._change_clip(name))
        if f"results/{name}/logs/examine/" not in changed.said:
            sys.exit(f"error: no shard was examined:\n{changed.said[-2000:]}")
        yield _row("a changed clip", jobs, changed)
        shutil.rmtree(self.folder / "results" / name)
        shutil.rmtree(self.folder / ".snakemake")

    def _least(self, arguments: list[str], before: Callable[[], None] = lambda: None) -> Taken:
        runs = []
        for _ in range(self.runs):
            before()
            runs.append(self._run(arguments))
        return min(runs)

    def _run(self, arguments: list[str], *python: str) -> Taken:
        with tempfile.TemporaryFile("w+") as output:
            begun = time.perf_counter()
            command = [sys.executable, *(python or ("-m", "snakemake")), *self.options, *arguments]
            process = subprocess.run(
                [sys.executable, "-c", MEASURE, *command],
                stdout=output,
                stderr=subprocess.STDOUT,
                env=os.environ | {"PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}"},
            )
            clock = time.perf_counter() - begun
            output.seek(0)
            *said, last = output.read().splitlines(keepends=True)
        seconds, kilobytes = json.loads(last)
        return Taken(seconds, clock, kilobytes / 1000, "".join(said), process.returncode)

    def _nested(self, name: str) -> list[str]:
        """The options that an executor starts a job with, planned and not run."""
        options = ["--dry-run", "--target-jobs", f"flow:set={name},shard=000", "--force"]
        options += ["--allowed-rules", "flow", "--force-use-threads", "--nolock", "--no-hooks"]
        return [*options, "--ignore-incomplete", "--mode", "remote"]

    def _make_all(self, target: str) -> None:
        """Make every output as an empty file, and have Snakemake note how it would have made it."""
        summary = self._run(["--summary", target])
        for line in summary.said.splitlines():
            if line.startswith("results/"):
                path = self.folder / line.split("\t")[0]
                path.parent.mkdir(parents=True, exist_ok=True)
                path.touch()
        touched = self._run(["--touch", "--forceall", target], "-c", TOUCHING)
        if touched.status:
            sys.exit(f"error: {touched.said[-2000:]}")

    def _change_clip(self, name: str) -> None:
        videos = self.folder / name / "videos"
        with open(videos / _files(self.folder / name / "lists")[0], "a") as file:
            file.write("changed")


def _row(what: str, jobs: int, taken: Taken) -> dict:
    return {
        "what": what,
        "jobs": jobs,
        "cpu_seconds": round(taken.seconds, 2),
        "seconds": round(taken.clock, 2),
        "megabytes": round(taken.megabytes),
    }


def _files(lists: Path) -> list[str]:
    """All files that the first split lists, '<class>/<file>'."""
    text = "".join((lists / f"{part}list01.txt").read_text() for part in ("train", "test"))
    return [line.split()[0] for line in text.splitlines() if line.strip()]


def _ucf101(lists: Path) -> Iterator[tuple[str, list[str]]]:
    for path in sorted(lists.glob("*.txt")):
        yield path.name, path.read_text().splitlines()


def _copies(lists: Path) -> Iterator[tuple[str, list[str]]]:
    """UCF101's lists ten times over: each class has a copy Archery_1, Archery_2, .."""
    for name, lines in _ucf101(lists):
        copied = []
        for copy in range(COPIES):
            for line in filter(None, lines):
                if name == "classInd.txt":
                    number, class_name = line.split()
                    copied.append(f"{int(number) + 101 * copy} {class_name}_{copy}")
                else:
                    # Labels of copies would need their numbers; the folder is the class.
                    folder, _, file = line.split()[0].partition("/")
                    copied.append(f"{folder}_{copy}/{file}")
        yield name, copied


def _many(_) -> Iterator[tuple[str, list[str]]]:
    names = [f"class_{number:03d}" for number in range(CLASSES)]
    yield "classInd.txt", [f"{number} {name}" for number, name in enumerate(names, start=1)]
    for part in ("train", "test"):
        yield (
            f"{part}list01.txt",
            [
                f"{name}/{label:03d}-{clip:07d}_000010_000020.mp4 {label}"
                for label, name in enumerate(names, start=1)
                for clip in range(CLIPS_OF_CLASS)
                if (clip % TESTED == 0) == (part == "test")
            ],
        )


if __name__ == "__main__":
    main()
