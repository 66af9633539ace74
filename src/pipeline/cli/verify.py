"""The command `pipeline verify`."""

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from pipeline.errors import PipelineError
from pipeline.jobs import program


def verify(
    folders: Annotated[
        list[Path],
        typer.Argument(metavar="FOLDER..", help="Folders of results, or files in them."),
    ],
) -> None:
    """Read the files of a run again, as after a disk failed, and say which are damaged.

    Each is compared with what was written. What is damaged is named with the command that has it
    made again, and the status is 1. Jobs check what they read in any case.

    Example: pipeline verify results/ucf101
    """
    program.run(lambda: _print(folders))


def _print(folders: list[Path]) -> None:
    from pipeline.jobs.progress import Progress
    from pipeline.report.verify import UNCHECKED, check, files_of

    paths, counts = files_of(folders), Counter()
    sizes = {path: path.stat().st_size // 2**20 for path in paths}
    progress = Progress("verify", sum(sizes.values()), "MB")
    for path, size in sizes.items():
        try:
            counts[check(path)] += 1
        except PipelineError as error:
            counts["damaged"] += 1
            typer.echo(f"damaged: {error}")
        progress.update(size, path.name)
    progress.close()
    typer.echo(f"{len(paths):,} files: " + ", ".join(f"{n:,} {what}" for what, n in counts.items()))
    if counts[UNCHECKED]:
        typer.echo(
            f"{UNCHECKED}: files of an earlier version, of others, or copied without the folder "
            ".sums beside them"
        )
    if counts["damaged"]:
        raise typer.Exit(1)
