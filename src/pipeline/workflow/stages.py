"""The jobs of a run and its stages: what is done, how long the others take, and what they write."""

import json
import os
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from statistics import median

from pipeline.jobs import job_log
from pipeline.jobs.job_log import JobLog

# In the order in which a run comes to them.
STAGES = (
    *("videos", "index", "frames", "flow", "teacher", "groups", "co2fi", "features", "asyn"),
    *("scores", "idt", "fuse"),
)


@dataclass
class Job:
    """A job: its stage, what it makes, what it says, and how much of its stage it is.

    kind: jobs of one kind are timed by one another; a stage has several where it is several rules.
    outputs: all of these are there when it is done.
    records: those of `outputs` that say how many seconds it took.
    weight: its share in the work of its stage, such as clips.
    error: why it failed.
    """

    name: str
    stage: str
    kind: str
    outputs: list[Path]
    records: list[Path]
    log: Path
    benchmark: Path
    weight: int = 1
    state: str = "waiting"
    error: str = ""

    @cached_property
    def said(self) -> JobLog:
        return job_log.read(self.log)

    @property
    def fraction(self) -> float:
        """The part of it that is done, 0 .. 1."""
        if self.state == "done":
            return 1.0
        begun = self.state in ("running", "stopped", "failed") and self.said.total
        return self.said.done / self.said.total if begun else 0.0

    @cached_property
    def seconds(self) -> float | None:
        """Seconds that it took; None where that is not known."""
        found = [seconds for path in self.records if (seconds := _seconds(path)) is not None]
        if found:
            return sum(found)
        with suppress(OSError, ValueError, IndexError):
            return float(self.benchmark.read_text().splitlines()[1].split("\t")[0])
        return None

    @cached_property
    def written(self) -> int:
        """Bytes of its files, and of the clips that it has finished of a shard."""
        paths = [*self.outputs]
        if self.state != "done":
            paths += [
                file
                for output in self.outputs
                if output.suffix == ".h5"
                for file in (output.parent / ".partial" / output.stem).rglob("*")
            ]
        total = 0
        for path in paths:
            with suppress(OSError):
                total += path.stat().st_size if path.is_file() else 0
        return total

    @property
    def steady_seconds(self) -> float | None:
        """Seconds that all of it takes, compiling apart where its log tells them apart."""
        if self.said.seconds_each is not None and self.said.total:
            steady = self.said.total * self.said.seconds_each
            return (
                steady
                if self.state != "done" or self.seconds is None
                else min(steady, max(self.seconds, 0.1))
            )
        return self.seconds if self.state == "done" else None


@dataclass
class Stage:
    """The jobs of a stage of the runs that are asked about."""

    name: str
    jobs: list[Job] = field(default_factory=list)

    def in_state(self, *states: str) -> list[Job]:
        return [job for job in self.jobs if job.state in states]

    @property
    def done(self) -> int:
        return len(self.in_state("done"))

    @property
    def fraction(self) -> float:
        """The part of the stage's work that is done, 0 .. 1."""
        total = sum(job.weight for job in self.jobs)
        return sum(job.weight * job.fraction for job in self.jobs) / total if total else 0.0

    @property
    def seconds(self) -> float:
        """Seconds of all its jobs that are done."""
        return sum(job.seconds or 0.0 for job in self.in_state("done"))

    @property
    def written(self) -> int:
        return sum(job.written for job in self.jobs)

    @property
    def to_come(self) -> float | None:
        """Bytes still to be written, by what was written so far; None where nothing was."""
        total = 0.0
        for jobs in self._by_kind():
            left = [job for job in jobs if job.state != "done"]
            each = _bytes_each(jobs)
            if left and each is None:
                return None
            # A job that has written more than was thought has nothing to come, and not less.
            total += sum(max(0.0, each * job.weight - job.written) for job in left)
        return total

    @property
    def seconds_left(self) -> float | None:
        """Seconds until its last job is done; None where none was timed."""
        rests = []
        for jobs in self._by_kind():
            each = _seconds_each(jobs)
            for job in jobs:
                if job.state == "done":
                    continue
                whole = job.steady_seconds
                if whole is None and each is None:
                    return None
                whole = each * job.weight if whole is None else whole
                rests.append(whole * (1 - job.fraction))
        beside = max(1, len(self.in_state("running")))
        return max(sum(rests) / beside, max(rests)) if rests else 0.0

    @property
    def rate(self) -> tuple[float, str] | None:
        """Units a second of the jobs that work now, else of one that is done, and the unit.

        They are those of the kind that came last.
        """
        timed = [job for job in self.jobs if job.said.seconds_each and job.state != "waiting"]
        timed = [job for job in timed if job.state == "running"] or timed
        if not timed:
            return None
        last = max(timed, key=lambda job: modified(job.log))
        alike = [job for job in timed if job.kind == last.kind]
        if last.state == "running":
            return sum(1 / job.said.seconds_each for job in alike), last.said.unit
        return 1 / median(job.said.seconds_each for job in _timed(alike)), last.said.unit

    def _by_kind(self) -> list[list[Job]]:
        kinds = defaultdict(list)
        for job in self.jobs:
            kinds[job.kind].append(job)
        return list(kinds.values())

    @property
    def loss(self) -> tuple[str, float, int] | None:
        """Job, mean loss and iteration: of the training that works, else of the last one."""
        told = [job for job in self.in_state("running") if job.said.loss]
        told = told or [job for job in self.jobs if job.said.loss and job.state != "waiting"]
        if not told:
            return None
        last = max(told, key=lambda job: modified(job.log))
        return last.name, *last.said.loss


def _timed(jobs: list[Job]) -> list[Job]:
    """Of jobs of one kind, those that tell how long others take; they are done or have begun.

    A job that began before the first one ended may have compiled, so that the others tell it, if
    there are any.
    """
    done = [job for job in jobs if job.state == "done"]
    ends = {job.name: modified(job.benchmark) for job in done}
    first = min(ends.values(), default=0.0)
    later = [job for job in done if ends[job.name] - (job.seconds or 0.0) >= first]
    return later or done or jobs


def _seconds_each(jobs: list[Job]) -> float | None:
    """Seconds that jobs of one kind take for a weight of 1; None where none was timed."""
    timed = [job for job in _timed(jobs) if job.steady_seconds is not None]
    return median(job.steady_seconds / job.weight for job in timed) if timed else None


def _bytes_each(jobs: list[Job]) -> float | None:
    """Bytes that jobs of one kind write for a weight of 1; None where none was written."""
    done = [job for job in jobs if job.state == "done"]
    if done:
        return sum(job.written for job in done) / sum(job.weight for job in done)
    written = sum(job.written for job in jobs)
    part = sum(job.weight * job.fraction for job in jobs)
    return written / part if written and part else None


def _seconds(record: Path) -> float | None:
    """The seconds in a record, None where there is none that can be read."""
    try:
        return float(json.loads(record.read_text())["seconds"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def modified(path: Path) -> float:
    """Return when a file was written, in seconds of the epoch; 0 where there is none."""
    try:
        return os.stat(path).st_mtime
    except OSError:
        return 0.0
