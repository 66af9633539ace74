"""A run of Snakemake: alone in its folder, with jobs that end when it ends, and a clear last line.

`Run` takes the place of those methods of Snakemake's `Workflow` that change files. Looking (-n,
--summary, --report, --lint) goes past it, so that it is always allowed.
"""

import atexit
import errno
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import wraps
from pathlib import Path

from pipeline.errors import PipelineError
from pipeline.jobs import watch
from pipeline.workflow import preflight, run_display, slurm_queue, targets
from pipeline.workflow.cluster import ClusterJobs
from pipeline.workflow.run_display import RunDisplay
from pipeline.workflow.run_lock import FOLDER, RunLock
from pipeline.workflow.sets import Sets

# Methods of Workflow that change files, apart from `execute`.
CHANGING = ("unlock", "cleanup_metadata", "cleanup_shadow", "delete_output")
# What a run does when it is asked to stop. A closed terminal hangs up.
SIGNALS = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)
# Bytes of a disk that is full for all purposes of a run.
FULL = 2**20
NOT_WRITABLE = "the folder cannot be written; copy it to a place where you can write"
# Sentences at the end of a run that failed.
MOST_LINES = 10
# A process of its own shows a result: what it imports is more than Snakemake needs.
SHOW = "from pipeline.cli.app import app; app(prog_name='pipeline')"


class Run:
    """The run of this Snakemake, if it comes to one; made while the Snakefile is read."""

    def __init__(self, workflow):
        self.workflow, self.lock, self.cluster = workflow, RunLock(), ClusterJobs()
        self.stopped_by: signal.Signals | None = None
        self.is_local = False
        workflow.execute = self._displaying(self._executing(workflow.execute))
        for name in CHANGING:
            setattr(workflow, name, self._alone(getattr(workflow, name)))
        if not os.access(FOLDER if FOLDER.exists() else ".", os.W_OK):
            _look_without_writing()
        # Before there is a run Ctrl-C is no more than a sentence, too.
        sys.excepthook = _without_interrupt(sys.excepthook)

    def catch_signals(self) -> None:
        """Stop in order on Ctrl-C, SIGTERM and SIGHUP; called when Snakemake has its own handlers.

        Snakemake cancels the jobs of a cluster, which would outlive a run.
        """
        for number in SIGNALS:
            # What is ignored, as by nohup, stays ignored.
            if signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, self._stop)

    def check_weights(self, sets: Sets) -> None:
        """Refuse to begin where weights cannot be had that a job of this run is to start from.

        Called when its jobs are known.
        """
        if not self.workflow.touch:
            preflight.check_jobs(self.workflow.dag.needrun_jobs(), sets, self.is_local)

    def _ignore_signals(self) -> None:
        """Let a signal that comes while Snakemake ends change nothing of what it has to say."""
        for number in SIGNALS:
            if signal.getsignal(number) == self._stop:
                signal.signal(number, signal.SIG_IGN)

    def _stop(self, number: int, _) -> None:
        """Tell the jobs to stop, and have Snakemake wait for them."""
        if self.stopped_by is None:
            self.stopped_by = signal.Signals(number)
            # Every job ends with an error now, and none of these is news.
            logging.disable(logging.CRITICAL)
            how = "end in order" if self.is_local else "are cancelled"
            with suppress(OSError, PipelineError):
                self.lock.stop_jobs()
                os.write(2, f"\n{_named(self.stopped_by)}: the jobs {how}\n".encode())
        raise KeyboardInterrupt

    def _check_targets(self) -> None:
        asked, config = self.workflow.dag_settings.targets, self.workflow.globals["config"]
        _end_on_error(lambda: targets.check(asked, self.workflow, config))

    def _take_lock(self) -> None:
        _end_on_error(self.lock.take)

    def _alone(self, method: Callable) -> Callable:
        @wraps(method)
        def alone(*arguments, **options):
            if not options.get("dryrun"):
                self._take_lock()
            result = method(*arguments, **options)
            if self.lock.record:
                self.lock.release()
            return result

        return alone

    def _displaying(self, execute: Callable) -> Callable:
        """Have a run of targets that there are show a line for each job and its results, unless a
        user asked for more or for less.
        """

        @wraps(execute)
        def displaying(*arguments, executor_plugin, **options):
            self._check_targets()
            kind = executor_plugin.common_settings
            display = RunDisplay(self._log())
            is_wanted = not kind.dryrun_exec and run_display.is_wanted(
                self.workflow.output_settings
            )
            if not is_wanted or not display.open():
                return execute(*arguments, executor_plugin=executor_plugin, **options)
            # Jobs of a cluster have files that keep what they say.
            if kind.local_exec:
                os.environ[run_display.VARIABLE] = "1"
            try:
                done = execute(*arguments, executor_plugin=executor_plugin, **options)
            finally:
                display.close()
            _show(self.workflow.dag.derived_targetfiles)
            return done

        return displaying

    def _log(self) -> str:
        """The file of Snakemake's log, as seen from this folder; '' where it writes none."""
        return next(
            (os.path.relpath(log) for log in self.workflow.logger_manager.get_logfile()), ""
        )

    def _executing(self, execute: Callable) -> Callable:
        @wraps(execute)
        def executing(*arguments, executor_plugin, **options):
            kind = executor_plugin.common_settings
            if kind.dryrun_exec and not FOLDER.is_dir() and not os.access(".", os.W_OK):
                _end([f"error: {Path.cwd()}: no run has worked here, and none can: {NOT_WRITABLE}"])
            # With --nolock a user answers for it that nothing else works here.
            if kind.dryrun_exec or not self.workflow.execution_settings.lock:
                return execute(*arguments, executor_plugin=executor_plugin, **options)
            self._take_lock()
            self.is_local = kind.local_exec
            # Jobs of a cluster outlive the Snakemake that submitted them.
            os.environ[watch.VARIABLE] = self.lock.for_jobs() if kind.local_exec else ""
            if not kind.local_exec:
                from snakemake.jobs import Job

                self.cluster.watch(Job)
            if executor_plugin.name == "slurm":
                slurm_queue.watch(logging.getLogger(run_display.LOGGER))
            try:
                result = execute(*arguments, executor_plugin=executor_plugin, **options)
            except KeyboardInterrupt:
                if not self.stopped_by:
                    self.stopped_by = signal.SIGINT
            except Exception as error:
                if not self.stopped_by:
                    self.lock.release()
                    lines = self._last_words(error)
                    if not lines:
                        raise
                    _end(lines)
            finally:
                self._ignore_signals()
            if self.stopped_by:
                # With the record the next run waits for jobs that have not ended yet.
                if not self.is_local:
                    self.lock.release()
                # Said last: jobs that were about to end may have said something meanwhile.
                _end([_stopped(self.stopped_by)], 128 + self.stopped_by)
            self.lock.release()
            return result

        return executing

    def _last_words(self, error: Exception) -> list[str]:
        """Return sentences that say why a run failed, [] where Snakemake itself says it best."""
        if isinstance(error, PipelineError):
            return [f"error: {line}" for line in str(error).split("\n")]
        scheduler = self.workflow.scheduler
        failed = sorted(getattr(scheduler, "failed", ()), key=str)
        words = [_words_of_job(job, self.cluster.words.get(job, "")) for job in failed]
        lines = list(dict.fromkeys(line for of_job in words for line in of_job))
        full = _full_disks([Path.cwd(), Path(os.environ.get("TMPDIR", "/tmp"))])
        if (failed or _is_about_disk(error)) and not any("disk full" in line for line in lines):
            lines += full
        more = len(lines) - MOST_LINES
        others = [f"error: and {more} more, in the logs of the jobs that failed"]
        return lines[-MOST_LINES:] + (others if more > 0 else [])


def _show(files: Iterable[str]) -> None:
    """Show the results and tables among `files` as `pipeline show` does, and name the pages."""
    results = sorted(str(file) for file in files if Path(file).name == "acc.json")
    tables = sorted(str(file) for file in files if Path(file).name == "tables.json")
    paths = [str(Path(__file__).parents[2]), *filter(None, [os.environ.get("PYTHONPATH")])]
    # Of several results the accuracies say enough.
    shown = [[*results, *(["--top", "0"] if len(results) > 1 else [])]] if results else []
    for arguments in shown + [[table] for table in tables]:
        print(flush=True)
        subprocess.run(
            [sys.executable, "-c", SHOW, "show", *arguments],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
            check=False,
        )
    for page in sorted(str(file) for file in files if Path(file).suffix == ".html"):
        print(f"page                    {page}", flush=True)


def _look_without_writing() -> None:
    """Let Snakemake look in a folder that cannot be written: it would make folders of its own, and
    keep the times of files for a run that trusts them.
    """
    from snakemake.persistence import PersistenceBase

    PersistenceBase.save_iocache = PersistenceBase.drop_iocache = lambda self: None
    makedirs, own = os.makedirs, str(FOLDER.absolute())

    def make_if_possible(path, *arguments, **options) -> None:
        try:
            makedirs(path, *arguments, **options)
        except OSError:
            if not str(path).startswith(own):
                raise

    os.makedirs = make_if_possible


def _words_of_job(job, said: str = "") -> list[str]:
    """Return why a job failed: as `said` by the cluster that ended it, or by its log."""
    text, where = "", ""
    for log in job.log:
        # On a cluster a job may not have begun.
        where = f"; its log: {log}" if not said or Path(log).exists() else ""
        with suppress(OSError):
            text += Path(log).read_text(errors="replace")
    if said:
        return [f"error: rule {job.rule.name}: {said}{where}"]
    # torch ends some of its lines with a zero byte; a file name may hold other line ends than LF.
    lines = [line.lstrip("\0") for line in text.split("\n")]
    found = [line for line in lines if line.startswith("error: ")]
    if not found and "Traceback" in text:
        return [f"error: rule {job.rule.name} failed by a fault of the program{where}"]
    if not found:
        # A kill while the program was being loaded, or of its shell.
        return [f"error: rule {job.rule.name} was ended; the same command goes on{where}"]
    memory = job.resources.get("mem_mb")
    return [
        f"{line} (it had asked for {memory} MB)" if "memory ran out" in line and memory else line
        for line in found
    ]


def _full_disks(folders: Iterable[Path]) -> list[str]:
    """Return a sentence for each disk of `folders` that has no room left."""
    lines = []
    for folder in folders:
        try:
            state = os.statvfs(folder)
        except OSError:
            continue
        cure = "free some space, then the same command goes on"
        if state.f_bavail * state.f_frsize < FULL:
            free = state.f_bavail * state.f_frsize
            lines.append(f"error: disk full: {free:,} bytes are free for {folder}; {cure}")
        elif state.f_files and not state.f_favail:
            lines.append(f"error: disk full: no more files can be made in {folder}; {cure}")
    return list(dict.fromkeys(lines))


def _is_about_disk(error: BaseException) -> bool:
    """Return whether an error of Snakemake's own comes from a disk that is full."""
    text = str(error)
    return isinstance(error, OSError) or any(
        os.strerror(number) in text for number in (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
    )


def _named(number: int) -> str:
    return "interrupted" if number == signal.SIGINT else f"stopped by {signal.Signals(number).name}"


def _stopped(number: int) -> str:
    return f"{_named(number)}; the same command goes on"


def _without_interrupt(hook: Callable) -> Callable:
    """Return an excepthook that says an interrupt in one line, and all else as `hook` does."""

    def say(kind, error, traceback) -> None:
        if issubclass(kind, KeyboardInterrupt):
            print(_stopped(signal.SIGINT), file=sys.stderr)
        else:
            hook(kind, error, traceback)

    return say


def _end_on_error(action: Callable) -> None:
    """End Snakemake with what is wrong, where it is a PipelineError."""
    try:
        action()
    except PipelineError as error:
        _end([f"error: {line}" for line in str(error).split("\n")])


def _end(lines: list[str], status: int = 1) -> None:
    """End Snakemake with `lines` as the last that it prints."""
    atexit.register(lambda: print("\n".join(lines), file=sys.stderr, flush=True))
    sys.exit(status)
