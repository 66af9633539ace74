"""The command `pipeline doctor`."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.status import ConfigFiles
from pipeline.errors import PipelineError
from pipeline.jobs import program


def doctor(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="SET",
            show_default=False,
            help="A set of the config, or results/SET; without it the machine alone is looked at.",
        ),
    ] = None,
    configfile: ConfigFiles = None,
) -> None:
    """Say whether this machine and a set can run, before a run: ok, note or error, line by line.

    It looks at ffmpeg, GPU, memory and disk, lists and videos, weights and groups, decodes a few
    videos and takes one step of training; nothing is written, and it may be asked beside a run. The
    status is 1 where there is an error.

    'about' is what a run of the first split takes on this machine, by these few videos and that
    step, or by the run's own jobs where some are done. Times of the processor are those of a core
    that works for it alone.

    Example: pipeline doctor ucf101
    """
    program.run(lambda: _doctor(name, configfile or []))


def _doctor(name: str | None, configs: list[Path]) -> None:
    from pipeline.report.doctor import lines, table
    from pipeline.workflow import machine_check

    failed = False

    def say(findings) -> None:
        nonlocal failed
        for finding in findings:
            typer.echo("\n".join(lines(finding)))
            failed |= finding.state == machine_check.ERROR

    found, problems = _set(name, configs) if name else (None, [])
    say(machine_check.of_machine(found.settings if found else None))
    say(problems)
    if found:
        say(found.findings())
        if found.is_usable:
            needs, findings = found.needs()
            if needs:
                typer.echo("\n".join(["", *table(needs), ""]))
            say(findings)
    if failed:
        sys.exit(1)


def _set(name: str, configs: list[Path]):
    """Return what looks at a set, or None and what is wrong with its config."""
    from pipeline.workflow.machine_check import ERROR, Finding
    from pipeline.workflow.set_check import SetCheck
    from pipeline.workflow.status import Target

    is_path = "results" in Path(name).absolute().parts[1:-1] and Path(name).parts[:-1]
    target = Target.parse(Path(name)) if is_path else Target(Path(), name, None)
    try:
        return SetCheck(target, configs), []
    except PipelineError as error:
        return None, [Finding(ERROR, line) for line in str(error).split("\n")]
