"""Where runs stand, as lines of text for a terminal of 80 columns."""

import textwrap

from pipeline.errors import listed
from pipeline.jobs.progress import format_duration
from pipeline.report.layout import bytes_text, visible

WIDTH = 80
# Columns: stage, jobs done, per cent, rate, seconds, time left, written, to come.
ROW = "{:8}{:>9}{:>5}{:>19}{:>10}{:>10}{:>9}{:>10}"
HEAD = ROW.format("stage", "jobs", "done", "rate", "took", "left", "written", "to come")
STATES = {
    "working": "process {process} on {host} works here since {since}",
    "stopping": "process {process} on {host} stops; the same command goes on",
    "killed": "the run of {since} was killed; the same command goes on",
    "elsewhere": "process {process} on {host} may work here since {since}",
    "": "no run works here",
}


def lines(status) -> list[str]:
    """Return a table of the stages of a `workflow.status.Status`, and what is to be known else."""
    worker = status.worker
    who = STATES[worker.state].format(process=worker.process, host=worker.host, since=worker.since)
    if status.is_done and not worker.state:
        who = "finished"
    about = f"{status.target.set} {listed([str(run) for run in status.runs], 3)}: {who}"
    result = [*_wrapped(about), HEAD]
    result += [_row(stage) for stage in status.stages]
    result.append(_total(status.stages))
    result += _losses(status.stages)
    failed = status.failed
    for job in failed[:1]:
        more = f" (and {len(failed) - 1} more jobs)" if len(failed) > 1 else ""
        result += _wrapped(f"failed  {job.name}: {job.error}{more}", " " * 8)
    return result


def _row(stage) -> str:
    done, count = stage.done, len(stage.jobs)
    return ROW.format(
        stage.name,
        f"{done}/{count}",
        _percent(stage.fraction),
        _rate(stage.rate),
        _time(stage.seconds) if done else "",
        _time(stage.seconds_left) if done < count else "",
        bytes_text(stage.written) if stage.written else "",
        _bytes(stage.to_come) if done < count else "",
    ).rstrip()


def _total(stages: list) -> str:
    """The last row: sums of what is known, with a sign where something is not."""
    unfinished = [stage for stage in stages if stage.done < len(stage.jobs)]
    left = [stage.seconds_left for stage in unfinished]
    to_come = [stage.to_come for stage in unfinished]
    written = sum(stage.written for stage in stages)
    return ROW.format(
        "all",
        f"{sum(stage.done for stage in stages)}/{sum(len(stage.jobs) for stage in stages)}",
        "",
        "",
        _time(sum(stage.seconds for stage in stages)),
        _sum(left, _time) if unfinished else "",
        bytes_text(written),
        _sum(to_come, bytes_text) if unfinished else "",
    ).rstrip()


def _sum(values: list, text) -> str:
    """The sum of the known values; a plus says that others are not known yet."""
    known = [value for value in values if value is not None]
    if not known:
        return "?"
    return text(sum(known)) + ("+" if len(known) < len(values) else "")


def _losses(stages: list) -> list[str]:
    """The last loss of each kind of training."""
    found = []
    for stage in stages:
        if stage.loss:
            name, loss, iteration = stage.loss
            found += _wrapped(f"loss    {name}: {loss:.4f} at iteration {iteration:,}", " " * 8)
    return found


def _percent(fraction: float) -> str:
    """Per cent, of which 100 is all."""
    return f"{min(int(100 * fraction), 100)}%"


def _rate(rate: tuple[float, str] | None) -> str:
    if rate is None:
        return ""
    each, unit = rate
    if each >= 100:
        return f"{each:.0f} {unit}/s"
    return f"{each:.1f} {unit}/s" if each >= 1 else f"{1 / each:.1f} s each"


def _time(seconds: float | None) -> str:
    return "?" if seconds is None else format_duration(seconds)


def _bytes(size: float | None) -> str:
    return "?" if size is None else bytes_text(size)


def _wrapped(text: str, later: str = "") -> list[str]:
    return textwrap.wrap(visible(text), WIDTH, subsequent_indent=later, break_on_hyphens=False)
