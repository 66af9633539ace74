"""The command `pipeline fuse`."""

from pathlib import Path
from typing import Annotated

import typer

from pipeline.jobs import program


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
    """Fuse the scores of any files: the accuracy of each and of their weighted sum.

    Accuracies have Wilson's 95 % intervals. Clips are matched by name, never by place; all files
    must hold the same ones. To compare two columns, name them by their files, by the numbers of
    these from 1, or as 'fused'.

    Examples:

    \b
      pipeline fuse appearance/scores.h5 motion/scores.h5 --weights 1,1.5
      pipeline fuse scores.npz:rgb scores.npz:flow --out fused.csv
      pipeline fuse motion/scores.h5 idt.mat --normalise l2 --compare fused 1
    """
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
