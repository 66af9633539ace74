"""The command `pipeline status`."""

import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from pipeline.errors import PipelineError
from pipeline.jobs import program

# Seconds between two looks.
INTERVAL = 2.0
ConfigFiles = Annotated[
    list[Path] | None,
    typer.Option(
        metavar="FILE",
        show_default=False,
        help="A config file of the run, several in their order; by default those of the last run "
        "in the folder.",
    ),
]


def status(
    result: Annotated[
        Path,
        typer.Argument(
            metavar="RESULT", help="results/SET, results/SET/split1/.., or an acc.json to come."
        ),
    ],
    watch: Annotated[
        bool, typer.Option("--watch", help="Show it anew every 2 seconds, until all is done.")
    ] = False,
    configfile: ConfigFiles = None,
) -> None:
    """Show where a run stands: what is done, how long the rest takes, what went wrong.

    It only reads, so that it may be asked beside a run, on a cluster, too. 'took' is the sum over
    all jobs, of which several may have run at once; 'left' is by the jobs that run at once now. A
    plus says that nothing is known yet of stages that have not begun.

    Example: pipeline status results/demo/split1 --watch
    """
    program.run(lambda: _status(result, watch, configfile or []))


def _status(result: Path, watch: bool, configs: list[Path]) -> None:
    if watch and not sys.stdout.isatty():
        raise PipelineError("--watch needs a terminal; leave it out to have it printed once")
    from pipeline.report.status import lines
    from pipeline.workflow import status

    target = status.Target.parse(result)
    found = status.read(target, configs)
    if not watch:
        typer.echo("\n".join(lines(found)))
        return
    try:
        _watch(lambda: status.read(target, configs), found)
    except program.Stopped:
        # Ctrl-C is how one ends it.
        return


def _watch(read, found) -> None:
    """Show what `read` gives, beginning with `found`, until all is done."""
    from rich.live import Live
    from rich.text import Text

    from pipeline.report.status import lines

    def shown():
        return Text("\n".join(lines(found)), no_wrap=True)

    with Live(shown(), auto_refresh=False) as live:
        while not found.is_done or found.worker.state in ("working", "stopping"):
            time.sleep(INTERVAL)
            found = read()
            live.update(shown(), refresh=True)
