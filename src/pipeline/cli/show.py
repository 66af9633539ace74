"""The command `pipeline show`."""

from pathlib import Path
from typing import Annotated

import typer

from pipeline.jobs import program


def show(
    results: Annotated[
        list[Path],
        typer.Argument(
            metavar="RESULT..",
            help="Results: results/<set>/<split>/acc.json, its folder, or a tables.json.",
        ),
    ],
    top: Annotated[
        int, typer.Option(metavar="N", min=0, help="Worst classes and confused pairs to show.")
    ] = 5,
) -> None:
    """Print the accuracies of results, what they get wrong, and what there is to open.

    Accuracies have Wilson's 95 % intervals. Worst classes and confused pairs are those of the
    result, the source that is marked. Of several results the means are added.

    Examples:

    \b
      pipeline show results/demo/split1/acc.json
      pipeline show results/ucf101/split1 --top 20
      pipeline show results/ucf101/split?/acc.json --top 0
      pipeline show results/ucf101/tables.json
    """
    program.run(lambda: _print(results, top))


def _print(paths: list[Path], top: int) -> None:
    from pipeline.report.layout import visible
    from pipeline.report.several import file_of, show_lines

    lines = show_lines(paths, top)
    if len(paths) == 1 and (result := file_of(paths[0])).name == "acc.json":
        lines += ["", *_open_lines(result)]
    typer.echo("\n".join(map(visible, lines)))


def _open_lines(result: Path) -> list[str]:
    """What there is to open beside a result, as far as it is there."""
    sources = sorted(result.parent.glob("*/scores.h5"))
    found = {
        "numbers and provenance": result,
        "picture": result.with_suffix(".png"),
    }
    lines = [f"{what:22}  {path}" for what, path in found.items() if path.is_file()]
    return lines + [f"scores of each clip     pipeline inspect {path}" for path in sources[:1]]
