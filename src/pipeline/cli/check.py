"""The command `pipeline check`."""

from pathlib import Path
from typing import Annotated

import typer

from pipeline.jobs import program


def check(
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILE..", help="Config files, in the order of --configfile."),
    ],
) -> None:
    """Check config files before a run: YAML with file and line, keys, values and set names.

    They are laid over config.yaml one after the other, as Snakemake does it.

    Example: pipeline check mine.yaml
    """
    program.run(lambda: _check(files))


def _check(files: list[Path]) -> None:
    from pipeline.config import settings, shipped, spelling
    from pipeline.workflow import config_files

    config = spelling.read(shipped.DEFAULTS)
    for file in files:
        settings.overlay(config, spelling.read(file))
    config_files.check(config, [shipped.DEFAULTS, *files])
    sets = ", ".join(config["sets"])
    typer.echo(f"{', '.join(map(str, files))}: a config of this pipeline; its sets: {sets}")
