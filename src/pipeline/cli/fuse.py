"""The command `pipeline fuse`."""

from pathlib import Path
from typing import Annotated

import typer

from pipeline.jobs import program

# Not the docstring of the command, as its examples are longer than a line of code may be.
HELP_OF_FUSE = (
    "Fuse the scores of any files: the accuracy of each and of their weighted sum.\n\n"
    "Accuracies have Wilson's 95 % intervals. Clips are matched by name, never by place; all files "
    "must hold the same ones. To compare two columns, name them by their files, by the numbers of "
    "these from 1, or as 'fused'.\n\n"
    "Examples:\n\n"
    "\b\n"
    "  pipeline fuse results/demo/split1/appearance/scores.h5 "
    "results/demo/split1/motion/scores.h5 --weights 1,1.5\n"
    "  pipeline fuse scores.npz:rgb scores.npz:flow idt_split1.mat "
    "--weights 0.3,0.45,0.25 --normalise l2 --out fused.csv\n"
    "  pipeline fuse a/scores.h5 b/scores.h5 --compare fused 2"
)


def fuse(
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE..",
            help="Score files: .h5, .npz or .mat; FILE:NAME takes the array NAME of a file.",
        ),
    ],
    weights: Annotated[
        str | None,
        typer.Option(
            metavar="W,W,..", show_default=False, help="A weight for each file; 1 by default."
        ),
    ] = None,
    normalise: Annotated[
        str,
        typer.Option(
            metavar="none|l2|softmax|standardised",
            help="What makes the sources alike before they are added.",
        ),
    ] = "none",
    compare: Annotated[
        tuple[str, str] | None,
        typer.Option(
            metavar="A B",
            show_default=False,
            help="Two columns to compare by McNemar's exact test.",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            show_default=False,
            help="Write all of it as .json, or as .csv a row for each clip.",
        ),
    ] = None,
) -> None:
    """Fuse the scores of any files; `HELP_OF_FUSE` is what `--help` prints."""
    program.run(lambda: _fuse(files, weights, normalise, compare, out))


def _fuse(
    files: list[str],
    weights: str | None,
    normalise: str,
    columns: tuple[str, str] | None,
    out: Path | None,
) -> None:
    from pipeline.report import fusion, fusion_files
    from pipeline.report.layout import visible

    if out:
        fusion_files.check_out(out, files)
    found = fusion.fuse_files(files, weights, normalise)
    comparison = fusion.compare(found, columns) if columns else None
    lines = fusion.fusion_lines(found)
    if comparison:
        lines += ["", *fusion.comparison_lines(comparison)]
    if out:
        fusion_files.write(out, found, comparison)
        lines += ["", f"{len(found.clips)} clips written to {out}"]
    typer.echo("\n".join(map(visible, lines)))
