"""The command `pipeline fuse`."""

from typing import Annotated

import typer

from pipeline.jobs import program

# Not the docstring of the command, as its examples are longer than a line of code may be.
HELP_OF_FUSE = (
    "Fuse the scores of any files and print the accuracy of each and of their weighted sum.\n\n"
    "Clips are matched by name, never by place; all files must hold the same ones.\n\n"
    "Examples:\n\n"
    "\b\n"
    "  pipeline fuse results/demo/split1/appearance/scores.h5 "
    "results/demo/split1/motion/scores.h5 --weights 1,1.5\n"
    "  pipeline fuse scores.npz:rgb scores.npz:flow idt_split1.mat "
    "--weights 0.3,0.45,0.25 --normalise l2"
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
) -> None:
    """Fuse the scores of any files; `HELP_OF_FUSE` is what `--help` prints."""
    program.run(lambda: _print(files, weights, normalise))


def _print(files: list[str], weights: str | None, normalise: str) -> None:
    from pipeline.report.fusion import fusion_lines

    typer.echo("\n".join(fusion_lines(files, weights, normalise)))
