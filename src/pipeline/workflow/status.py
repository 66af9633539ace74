"""Where runs stand: which of their jobs are done, how long the others take, and what they write.

Nothing is written and no lock is taken, so that this can be asked beside a living run. Which files
belong to a run is known from the config alone (`paths.InputFiles`); how far its jobs are, from
their logs, records and files.
"""

import json
import re
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.config import check, settings, shipped, spelling
from pipeline.config.runs import Run
from pipeline.datasets.load import load_set
from pipeline.errors import PipelineError, nearest
from pipeline.jobs import watch
from pipeline.workflow import run_logs
from pipeline.workflow.paths import InputFiles
from pipeline.workflow.run_lock import FOLDER
from pipeline.workflow.run_logs import Failure
from pipeline.workflow.sets import Sets
from pipeline.workflow.stages import STAGES, Job, Stage, modified

# What a program says that was asked to stop, as by Ctrl-C.
STOPPED = re.compile(r"stopped by |.*: stopped at iteration ")
# Seconds since its log was written in which a job works, though its run is not seen, as on Slurm.
FRESH = 120
# Jobs of an earlier run have older logs; file systems and clocks of machines differ by a little.
SLACK = 2
RESULT = "RESULT is results/<set>, results/<set>/<split>[/<variant>][/seed<n>], or an acc.json"


@dataclass(frozen=True)
class Target:
    """What is asked about: the folder that Snakemake runs in, a set, and its runs.

    The runs are None for all of the set, and the word 'tables' for those of its tables.
    """

    folder: Path
    set: str
    run: Run | str | None

    @classmethod
    def parse(cls, path: Path) -> "Target":
        """Return what a path means. Raises PipelineError where it cannot be that of a result."""
        parts = path.absolute().parts
        if "results" not in parts[1:-1]:
            raise PipelineError(f"{path}: this is no result; {RESULT}")
        at = len(parts) - 1 - parts[::-1].index("results")
        folder, (name, *rest) = Path(*parts[:at]), parts[at + 1 :]
        if rest and rest[-1] in ("acc.json", "acc.png"):
            rest.pop()
        if rest and rest[-1] in ("tables.json", "tables.md"):
            return cls(folder, name, "tables")
        if not rest:
            return cls(folder, name, None)
        text = "/".join(rest)
        if not re.fullmatch(r"split[0-9]+(/[a-z][a-z0-9_]*)?(/seed[0-9]+)?", text):
            raise PipelineError(f"{path}: '{text}' is no run of a set; {RESULT}")
        return cls(folder, name, Run.parse(text))


@dataclass(frozen=True)
class RunOfSnakemake:
    """Who works in a folder, or did so last.

    state: 'working', 'stopping', 'killed', 'elsewhere' (on a machine that cannot be asked) or ''.
    """

    state: str = ""
    process: int = 0
    host: str = ""
    since: str = ""
    command: str = ""

    @property
    def began(self) -> float:
        """When it began, in seconds of the epoch."""
        try:
            return time.mktime(time.strptime(self.since, "%Y-%m-%d %H:%M:%S"))
        except ValueError:
            return 0.0


@dataclass
class Status:
    """Where the runs of a target stand; the stages that they have, and who works on them."""

    target: Target
    runs: list[Run]
    stages: list[Stage]
    worker: RunOfSnakemake

    @property
    def is_done(self) -> bool:
        return all(stage.done == len(stage.jobs) for stage in self.stages)

    @property
    def failed(self) -> list[Job]:
        """Jobs that ended with an error, the last one first."""
        jobs = [job for stage in self.stages for job in stage.in_state("failed")]
        return sorted(jobs, key=lambda job: -modified(job.log))


def read(target: Target, configs: Iterable[Path] = ()) -> Status:
    """Return where the runs of a target stand.

    `configs` are the config files of the run, beside the folder's own; by default those that
    Snakemake's last run of the set was given.

    Raises PipelineError where the config or the lists cannot be read, or the config has no such
    set or variant.
    """
    worker = worker_in(target.folder)
    config = read_config(target, list(configs))
    sets = SetsToLookAt(config, target.folder)
    runs = _runs(target, sets)
    jobs = _jobs(target, sets, runs)
    failures = run_logs.failures(target.folder)
    for job in jobs:
        failure = failures.get(str(job.log.relative_to(target.folder)))
        job.state, job.error = _state(job, worker, failure)
    by_stage = defaultdict(list)
    for job in jobs:
        by_stage[job.stage].append(job)
    stages = [Stage(name, by_stage[name]) for name in STAGES if by_stage[name]]
    return Status(target, runs, stages, worker)


def worker_in(folder: Path) -> RunOfSnakemake:
    """Return who works in a folder, by the record that a run keeps there; it takes no lock."""
    try:
        record = json.loads((folder / FOLDER / "pipeline.lock").read_text())
        own = {key: record[key] for key in ("process", "host", "since", "command")}
        stopping, there = record["stopping"], record["namespace"] == watch.namespace()
        lives = watch.start_time(record["process"]) == record["started"]
    except (OSError, ValueError, KeyError, TypeError):
        return RunOfSnakemake()
    if not there:
        return RunOfSnakemake("elsewhere", **own)
    state = ("stopping" if stopping else "working") if lives else "killed"
    return RunOfSnakemake(state, **own)


class SetsToLookAt(Sets):
    """Sets whose lists are read, and nothing written or said; paths are relative to `folder`."""

    def __init__(self, config: dict, folder: Path):
        self.folder = folder
        super().__init__(config, is_job=True)

    def clip_set(self, name: str):
        entry = self.entry(name)
        return load_set(name, entry | {"lists": str(self.folder / entry["lists"])})


def read_config(target: Target, configs: list[Path]) -> dict:
    """Return the config of the last run of a set, or that of `configs`, checked.

    In a checkout it is laid over the checkout's own, as a run there does, whatever this program's
    defaults are.

    Raises PipelineError where it cannot be read, is none, or has no such set.
    """
    own = target.folder / "config.yaml"
    base = [own] if (target.folder / "Snakefile").is_file() else []
    candidates = [base + configs] if configs else [*run_logs.configs(target.folder), base]
    known: dict[str, None] = {}
    for files in dict.fromkeys(map(tuple, candidates)):
        if not configs and not all(file.is_file() for file in files):
            continue
        config = _merged(files)
        if target.set in (config.get("sets") or {}):
            try:
                check.check(config, ", ".join(map(str, files)) or "config.yaml")
            except PipelineError as error:
                note = note_of_version(files[0].parent) if files else None
                raise PipelineError("\n".join(filter(None, (str(error), note)))) from error
            return config
        known |= dict.fromkeys(config.get("sets") or {})
    raise PipelineError(
        f"there is no set '{target.set}' in {', '.join(map(str, configs)) or 'config.yaml'}"
        "; name the config file of its run by --configfile"
        f"{nearest(target.set, known)}"
    )


def note_of_version(folder: Path) -> str | None:
    """Return what is to be known where a folder is a checkout that takes other settings than this
    program, which is of another version then; None where it is not.
    """
    schema = folder / "workflow" / "schemas" / shipped.SCHEMA.name
    # Workflows of others have such a schema, too.
    is_checkout = schema.is_file() and (folder / "src" / shipped.PACKAGE.name).is_dir()
    if not is_checkout or schema.read_bytes() == shipped.SCHEMA.read_bytes():
        return None
    return (
        f"{folder.absolute()} is a checkout of another version than this command, which is of "
        f"{shipped.ROOT}; runs there take its own code and settings: have `make install` there "
        "make a command of its version, .venv/bin/pipeline"
    )


def _merged(files: Sequence[Path]) -> dict:
    """The config of some files, each laid over those before it."""
    # Keys that a run of an earlier version did not know have their defaults.
    config = spelling.read(shipped.DEFAULTS)
    for file in files:
        own = spelling.read(file)
        if file is files[0] and (file.parent / "Snakefile").is_file():
            # A checkout has those sets and variants that it names, and no others.
            config |= {key: {} for key in spelling.NAMED if key in own}
        settings.overlay(config, own)
    return config


def _runs(target: Target, sets: Sets) -> list[Run]:
    """Return the runs that are asked about: one, those of the tables, or all that were begun."""
    if isinstance(target.run, Run):
        target.run.streams(sets.config)
        sets.clip_set(target.set).subset(target.run.split, "train")
        return [target.run]
    if target.run == "tables":
        return list(InputFiles(sets).table_runs(_Wildcards(set=target.set)).values())
    folder, found = target.folder / "results" / target.set, []
    for path in sorted(folder.glob("logs/split*/**/*.log")):
        # A run trains streams or fuses, in a folder of its own.
        if path.stem in ("co2fi", "asyn"):
            found.append(path.parent.parent)
        elif path.stem in ("scores", "fuse") and path.parent.name != "idt":
            found.append(path.parent)
    names = [path.relative_to(folder / "logs").as_posix() for path in found]
    runs = [Run.parse(name) for name in dict.fromkeys(names)]
    known = {"complete", *sets.config["variants"]}
    splits = sets.clip_set(target.set).splits
    runs = [run for run in runs if run.variant in known and run.split in splits]
    return runs or [Run(splits[0])]


class _Wildcards(dict):
    """Wildcards as Snakemake gives them: by attribute and by item."""

    __getattr__ = dict.__getitem__


def _jobs(target: Target, sets: Sets, runs: list[Run]) -> list[Job]:
    """Return the jobs that the results of runs take, each once."""
    name, results = target.set, target.folder / "results" / target.set
    shards = sets.shards(name)
    inputs = InputFiles(sets)
    jobs: dict[str, Job] = {}

    def add(
        key: str, stage: str, outputs: list[str], log: str, weight: int = 1, kind: str = ""
    ) -> None:
        paths = [results / output for output in outputs]
        records = [path for path in paths if path.suffix == ".json" and path.stem != "acc"]
        logs, times = results / "logs" / f"{log}.log", results / "benchmarks" / f"{log}.tsv"
        job = Job(key, stage, kind or stage, paths, records, logs, times, max(1, weight))
        jobs.setdefault(key, job)

    if sets.is_demo(name):
        add("videos", "videos", ["videos.json"], "render")
    for shard, clips in shards.items():
        table = f"index/{shard}.csv"
        add(f"examine {shard}", "index", [table], f"examine/{shard}", len(clips), "examine")
    add("index", "index", ["index.csv", "index.json"], "index")
    for run in runs:
        wildcards = _Wildcards(set=name, run=str(run))
        for side in ("train", "test"):
            add(f"{run.split} {side}", "index", [f"{run.split}/{side}.csv"], f"{run.split}/{side}")
        records = [*inputs.shard_records(wildcards), *inputs.stage_records(wildcards)]
        for record in records:
            own = record.removeprefix(f"results/{name}/").removesuffix(".json")
            stage = _stage_of(own)
            if own == "index" or stage == "scores":
                continue
            folder, _, last = own.rpartition("/")
            files = [f"{own}.json", f"{own}{_ending(own)}"]
            # A shard's jobs are timed by its clips and by those of other shards.
            weight, kind = (len(shards[last]), folder) if last in shards else (1, last)
            add(own, stage, files, own, weight, kind)
        outputs = [
            f"{run}/{source}/scores{ending}"
            for source in sets.run_sources(run)
            for ending in (".json", ".h5")
        ]
        add(f"{run} scores", "scores", outputs, f"{run}/scores")
        add(f"{run} fuse", "fuse", [f"{run}/acc.json", f"{run}/acc.png"], f"{run}/fuse")
    return list(jobs.values())


def _stage_of(record: str) -> str:
    """Return the stage of a record, by its path without the ending."""
    parts = record.split("/")
    return "idt" if "idt" in parts[:-1] else parts[0] if len(parts) == 2 else parts[-1]


def _ending(record: str) -> str:
    return ".pt" if record.rpartition("/")[2] in ("teacher", "co2fi", "asyn") else ".h5"


def _state(job: Job, worker: RunOfSnakemake, failure: Failure | None) -> tuple[str, str]:
    """Return 'done', 'running', 'failed', 'stopped' or 'waiting', and why a job failed.

    `failure` is what Snakemake's log of the last run says of it.
    """
    if all(path.is_file() for path in job.outputs):
        return "done", ""
    written, error = modified(job.log), job.said.error
    works = worker.state in ("working", "stopping")
    if not written or (works and written < worker.began - SLACK):
        # What an earlier run has left: this one has not come to it yet.
        return "waiting", ""
    if error and not STOPPED.match(error):
        return "failed", error
    if failure and written <= failure.when + SLACK and not error:
        # It was killed, or is a job of a cluster that was.
        return "failed", failure.message or f"it ended without a word; its log: {job.log}"
    if not error and (works or (worker.state != "killed" and time.time() - written < FRESH)):
        return "running", ""
    return "stopped" if error or job.said.done else "waiting", ""
