"""The command `pipeline show`."""

from pathlib import Path
from typing import Annotated

import typer

from pipeline.jobs import program


def show(
    result: Annotated[
        Path, typer.Argument(metavar="ACC.JSON", help="A result, results/<set>/<split>/acc.json.")
    ],
) -> None:
    """Print the accuracies of a result, and what there is to open.

    Example: pipeline show results/demo/split1/acc.json
    """
    program.run(lambda: _print(result))


def _print(result: Path) -> None:
    from pipeline.report.layout import visible
    from pipeline.report.text import read_result, result_lines

    lines = result_lines(read_result(result)).split("\n")
    typer.echo("\n".join(map(visible, lines)))
    motion = result.parent / "motion" / "scores.h5"
    typer.echo(
        f"\nnumbers and provenance  {result}\n"
        f"picture                 {result.with_suffix('.png')}\n"
        f"scores of each clip     pipeline inspect {motion}"
    )
