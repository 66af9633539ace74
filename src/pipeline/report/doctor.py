"""What `pipeline doctor` found, as lines of text for a terminal of 80 columns."""

from pipeline.report.layout import bytes_text, visible, wrap

WIDTH = 80
# Columns: state, and text; of the table, stage, bytes to write and time.
INDENT = 7
ROW = "{:8}{:>12}{:>18}"


def lines(finding) -> list[str]:
    """Return a `workflow.machine_check.Finding` as lines: its state, and its text beside it.

    A command stands below in a line of its own, whole, so that it can be copied.
    """
    first, later = f"{finding.state:{INDENT}}", " " * INDENT
    command = [later + visible(finding.command)] if finding.command else []
    return wrap(visible(finding.text), WIDTH, first, later) + command


def table(needs: list) -> list[str]:
    """Return the `workflow.needs.Need`s of stages as a table, with a last row for all of them."""
    rows = [ROW.format("stage", "to write", "about").rstrip()]
    rows += [_row(need.stage, need.to_write, _time(need)) for need in needs]
    size = sum(need.to_write or 0 for need in needs)
    if all(map(_is_done, needs)):
        return [*rows, _row("all", size, "done")]
    seconds = sum(need.seconds or 0 for need in needs)
    more = "+" if any(need.seconds is None for need in needs) else ""
    return [*rows, _row("all", size, about(seconds) + more)]


def _row(name: str, size: float | None, time: str) -> str:
    written = "?" if size is None else bytes_text(size) if size else ""
    return ROW.format(name, written, time).rstrip()


def _time(need) -> str:
    return "done" if _is_done(need) else about(need.seconds)


def _is_done(need) -> bool:
    return need.from_run and not need.seconds and not need.to_write


def about(seconds: float | None) -> str:
    """Return a duration that is not known better than by a third, such as '20 minutes'.

    >>> about(4000)
    '1.1 hours'
    """
    if seconds is None:
        return "?"
    for unit, size in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= (2 if unit == "days" else 1) * size:
            count = seconds / size
            return f"{count:.1f} {unit}" if count < 9.5 else f"{count:,.0f} {unit}"
    return "a minute"
