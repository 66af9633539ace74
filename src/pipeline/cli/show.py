"""The command `pipeline show`."""

from pathlib import Path
from typing import Annotated

import typer

from pipeline.errors import PipelineError, first_line
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

    content = read_result(result)
    try:
        lines = result_lines(content).split("\n")
    # A result has more parts than `read_result` checks.
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise PipelineError(
            f"{result}: not a result of this program ({first_line(error)}); name an acc.json"
        ) from error
    typer.echo("\n".join(map(visible, lines)))
    motion = result.parent / "motion" / "scores.h5"
    typer.echo(
        f"\nnumbers and provenance  {result}\n"
        f"picture                 {result.with_suffix('.png')}\n"
        f"scores of each clip     pipeline inspect {motion}"
    )
