"""The command `pipeline`: what to do with the pipeline's files besides making them.

Each command is a function in a module of its own, which imports what computes only when it runs:
`--help` answers at once.
"""

from typing import Annotated

import typer

from pipeline.cli.check import check
from pipeline.cli.doctor import doctor
from pipeline.cli.export import export
from pipeline.cli.flow import HELP_OF_FLOW, flow
from pipeline.cli.fuse import fuse
from pipeline.cli.idt import idt
from pipeline.cli.inspect import inspect
from pipeline.cli.predict import HELP_OF_PREDICT, predict
from pipeline.cli.report import report
from pipeline.cli.show import show
from pipeline.cli.split import HELP_OF_SPLIT, split
from pipeline.cli.status import status
from pipeline.cli.verify import verify
from pipeline.cli.weights import weights
from pipeline.config import shipped

app = typer.Typer(
    help="Tools around the pipeline's files. The pipeline itself is run by snakemake; "
    "see the README.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"pipeline {shipped.version()}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    pass


# The order of the list of commands.
app.command(short_help="Split your own videos and write a config.", help=HELP_OF_SPLIT)(split)
app.command(short_help="Check config files before a run.")(check)
app.command(short_help="Say whether this machine and a set can run, and how long.")(doctor)
app.command(short_help="Show where a run stands and how long it takes.")(status)
app.command(short_help="Show what an HDF5 file, or a clip in it, holds.")(inspect)
app.command(short_help="Print the accuracies of results and what to open.")(show)
app.command(short_help="Write a page of one or several results.")(report)
app.command(short_help="Fuse score files and print accuracies.")(fuse)
app.command(short_help="Classify videos by a trained run.", help=HELP_OF_PREDICT)(predict)
app.command(short_help="Pack a trained run into one file.")(export)
app.command(short_help="Compute the optical flow of videos for other programs.", help=HELP_OF_FLOW)(
    flow
)
app.command(short_help="Extract the improved dense trajectories of a video.")(idt)
app.command(short_help="Read the files of a run again and name those that are damaged.")(verify)
app.add_typer(weights, name="weights", short_help="List and fetch pretrained weights.")
