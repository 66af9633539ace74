"""What a run shows: a line for each job, and on a terminal one bar; all else is in a log.

`RunDisplay` takes the place of Snakemake's own handler of the terminal, while its log stays whole.
"""

import logging
import os
import shutil
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from pipeline.jobs import job_log

LOGGER = "snakemake.logging"
# The name that Snakemake gives its handler of the terminal.
HANDLER = "DefaultStreamHandler"
# With it set, jobs write into their logs only; workflow/scripts/job.sh reads it.
VARIABLE = "PIPELINE_QUIET"
# Seconds between two looks at the jobs that run, and jobs that the bar names.
INTERVAL, MOST_NAMED = 1.0, 3
# News that come without an event and below a warning, and a warning that is none: the last lines
# of a run say what failed.
NOTHING, FAILED = "Nothing to be done", "Exiting because a job execution failed"
# Warnings of the plug-in for Slurm that call for nothing: without an account Slurm takes its own,
# and without accounting it alone knows which nodes were lost.
NO_NEWS = (
    "No SLURM account given",
    "No account was given",
    "Unable to guess SLURM account",
    "Could not retrieve node information",
    "Both 'sacctmgr' and 'sshare' returned empty results",
)
# What Snakemake says of itself before any job is known.
CHATTER = ("Assuming unrestricted shared filesystem", "Config file ")
BAR = "{n_fmt}/{total_fmt} jobs |{bar:20}| {elapsed}{postfix}"
# Takes a terminal to the begin of its line, which it empties.
CLEAR = "\r\x1b[K"


class Job(NamedTuple):
    """A job that runs: its rule, what it is for, its log, and when it began."""

    rule: str
    part: str
    log: str
    begun: float


def is_wanted(settings) -> bool:
    """Whether a user who gave these `OutputSettings` of Snakemake has asked for nothing else."""
    asked = settings.verbose, settings.debug_dag, settings.printshellcmds, settings.quiet
    return not any(asked)


def hush(settings) -> None:
    """Keep what Snakemake says of itself, while the Snakefile is read, from the terminal."""
    if is_wanted(settings) and not settings.dryrun:
        for handler in logging.getLogger(LOGGER).handlers:
            if handler.name == HANDLER:
                handler.addFilter(lambda record: not record.getMessage().startswith(CHATTER))


class RunDisplay(logging.Handler):
    """The display of a run from `open` to `close`; `log` is the file that has all."""

    def __init__(self, log: str = ""):
        super().__init__()
        self.log = log
        self.running: dict[int, Job] = {}
        self.notes: set[str] = set()
        self.total = self.done = 0
        self.own: logging.StreamHandler | None = None
        self._bar, self._is_open = "", False
        self._begun = time.monotonic()
        self._shown = {
            "run_info": self._begin,
            "job_info": self._start,
            "job_finished": self._finish,
            "job_error": self._fail,
            "group_error": self._pass_on,
        }

    def open(self) -> bool:
        """Take the place of Snakemake's handler; False where there is none, as with a plug-in."""
        logger = logging.getLogger(LOGGER)
        self.own = next((each for each in logger.handlers if each.name == HANDLER), None)
        self._is_open = self.own is not None
        if self._is_open:
            logger.removeHandler(self.own)
            logger.addHandler(self)
        return self._is_open

    def close(self) -> None:
        """End the bar, and let Snakemake say by itself what comes now."""
        if self._is_open:
            self._is_open = False
            logger = logging.getLogger(LOGGER)
            logger.removeHandler(self)
            logger.addHandler(self.own)
            # Where standard error goes to a full disk or a closed pipe, a run ends all the same.
            with self.lock, suppress(OSError):
                self._write("")
        super().close()

    def emit(self, record: logging.LogRecord) -> None:
        try:
            event = str(getattr(record, "event", None) or "")
            if show := self._shown.get(event):
                show(record)
            elif not event and self._is_news(record):
                self._pass_on(record)
        except Exception:
            self.handleError(record)

    def _is_news(self, record: logging.LogRecord) -> bool:
        text = record.getMessage()
        if record.levelno < logging.WARNING:
            return text.startswith(NOTHING)
        return FAILED not in text and not text.startswith(NO_NEWS)

    def _pass_on(self, record: logging.LogRecord) -> None:
        """Say it in Snakemake's own words."""
        if self.own.filter(record):
            self._say(self.own.format(record))

    def _begin(self, record: logging.LogRecord) -> None:
        self.total = record.stats.get("total", 0)
        jobs = "1 job" if self.total == 1 else f"{self.total:,} jobs"
        self._say(jobs + (f"; the full log: {self.log}" if self.log else ""))
        if self.own.stream.isatty() and os.environ.get("TERM") != "dumb":
            # Without it there is no bar.
            with suppress(ImportError):
                from tqdm import tqdm

                threading.Thread(target=self._look, args=[tqdm.format_meter], daemon=True).start()

    def _look(self, format_meter) -> None:
        """Show now and then how far the jobs are."""
        while self._is_open:
            with self.lock:
                jobs = list(self.running.values())
            states = ", ".join(_state(job) for job in jobs[:MOST_NAMED])
            more = f" and {len(jobs) - MOST_NAMED} more" if len(jobs) > MOST_NAMED else ""
            with self.lock:
                self._bar = format_meter(
                    self.done,
                    self.total,
                    time.monotonic() - self._begun,
                    # A line that is full would go on in the next one.
                    ncols=shutil.get_terminal_size().columns - 1,
                    bar_format=BAR,
                    postfix=states + more,
                )
                if self._is_open:
                    self._write("")
            time.sleep(INTERVAL)

    def _start(self, record: logging.LogRecord) -> None:
        log = (record.log or [""])[0]
        self.running[record.jobid] = Job(
            record.rule_name, _part(record.wildcards), log, time.monotonic()
        )

    def _finish(self, record: logging.LogRecord) -> None:
        job = self.running.pop(record.job_id, None)
        self.done += 1
        if job:
            self._say(self._line(job, _duration(job)))
            for note in _notes(job):
                if note not in self.notes:
                    self.notes.add(note)
                    self._say(note)

    def _fail(self, record: logging.LogRecord) -> None:
        job = self.running.pop(record.jobid, None)
        if job:
            words = [f"failed after {_duration(job)}"]
            words += [str(record.rule_msg)] if getattr(record, "rule_msg", None) else []
            # A job that a cluster refused has none.
            words += [f"its log: {job.log}"] if os.path.isfile(job.log) else []
            self._say(self._line(job, "; ".join(words)))

    def _line(self, job: Job, end: str) -> str:
        count = f"{self.done}/{self.total}"
        return f"{count:>9}  {job.rule:12}  {job.part:36}  {end}"

    def _say(self, line: str) -> None:
        self._write(line + "\n")

    def _write(self, text: str) -> None:
        """Write `text` above the bar, which stands there only while the display is open."""
        if self._bar:
            text = CLEAR + text + (self._bar if self._is_open else "")
        print(text, end="", file=self.own.stream, flush=True)


def _part(wildcards) -> str:
    """What a job is for: 'demo split1 motion' for its set, split and stream."""
    return " ".join(str(value).replace("/", " ") for value in dict(wildcards or {}).values())


def _notes(job: Job) -> list[str]:
    """What the log of a job has to say of the data that it met."""
    text = ""
    with suppress(OSError):
        text = Path(job.log).read_text(errors="replace")
    return [line for line in text.split("\n") if line.startswith("note: ")]


def _state(job: Job) -> str:
    """A job that runs and how far it is, as its log says."""
    said = job_log.read(job.log)
    share = f" {said.done / said.total:.0%}" if said.total else ""
    return f"{job.rule} {job.part.partition(' ')[2]}".rstrip() + share


def _duration(job: Job) -> str:
    return f"{time.monotonic() - job.begun:,.0f} s"
