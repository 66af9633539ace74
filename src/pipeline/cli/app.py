"""The command `pipeline`: what to do with the pipeline's files besides making them."""

from importlib import metadata
from pathlib import Path
from shutil import get_terminal_size
from typing import Annotated

import typer

from pipeline.jobs import program

app = typer.Typer(
    help="Tools around the pipeline's files. The pipeline itself is run by snakemake; see the README.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"pipeline {metadata.version('pipeline')}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    pass


@app.command(short_help="Show what an HDF5 file, or a clip in it, holds.")
def inspect(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="An .h5 file of frames, flow, groups or scores.")
    ],
    clip: Annotated[
        str | None,
        typer.Argument(
            metavar="CLIP", show_default=False, help="A clip in it: Class/name, or the name alone."
        ),
    ] = None,
    png: Annotated[
        Path | None,
        typer.Option(
            metavar="PNG",
            help="Write a picture of the clip, by default of the first.",
            show_default=False,
        ),
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Show all clips and names, not only the first.")
    ] = False,
) -> None:
    """Show what an HDF5 file of the pipeline holds, or one clip in it.

    Examples:

    \b
      pipeline inspect results/demo/frames/000.h5
      pipeline inspect results/demo/flow/000.h5 v_SwayFew_g01_c01 --png flow.png
    """

    def show() -> None:
        from pipeline.report import inspect
        from pipeline.report.clip import find_clip
        from pipeline.report.describe import describe_clip

        width = min(get_terminal_size().columns, 140)
        with inspect.open_file(file) as opened:
            chosen = find_clip(opened, clip) if clip is not None or png else None
            if png:
                from pipeline.report import pictures

                pictures.draw(chosen, png)
            lines = (
                inspect.describe(opened, width, everything)
                if clip is None
                else describe_clip(chosen, width)
            )
        if png:
            lines += [
                "",
                f"{png}: a picture of {chosen.id}" + (", the first clip" if clip is None else ""),
            ]
        typer.echo("\n".join(lines))

    program.run(show)


@app.command(short_help="Print the accuracies of a result and what to open.")
def show(
    result: Annotated[
        Path, typer.Argument(metavar="ACC.JSON", help="A result, results/<set>/<split>/acc.json.")
    ],
) -> None:
    """Print the accuracies of a result, and what there is to open.

    Example: pipeline show results/demo/split1/acc.json
    """

    def table() -> None:
        from pipeline.report.text import read_result, result_lines

        typer.echo(result_lines(read_result(result)))
        motion = result.parent / "motion" / "scores.h5"
        typer.echo(
            f"\nnumbers and provenance  {result}\npicture                 {result.with_suffix('.png')}\n"
            f"scores of each clip     pipeline inspect {motion}"
        )

    program.run(table)


@app.command(short_help="Fuse score files and print accuracies.")
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
            metavar="none|l2|softmax",
            help="What makes the sources alike before they are added, clip by clip.",
        ),
    ] = "none",
) -> None:
    """Fuse the scores of any files and print the accuracy of each and of their weighted sum.

    Clips are matched by name, never by place; all files must hold the same ones.

    Examples:

    \b
      pipeline fuse results/demo/split1/appearance/scores.h5 results/demo/split1/motion/scores.h5 --weights 1,1.5
      pipeline fuse scores.npz:rgb scores.npz:flow idt_split1.mat --weights 0.3,0.45,0.25 --normalise l2
    """

    def table() -> None:
        from pipeline.report.fusion import fusion_lines

        typer.echo("\n".join(fusion_lines(files, weights, normalise)))

    program.run(table)


@app.command(short_help="Extract the improved dense trajectories of a video.")
def idt(
    video: Annotated[Path, typer.Argument(metavar="VIDEO", help="Any format that ffmpeg reads.")],
    out: Annotated[
        Path | None, typer.Option(metavar="FILE.h5", help="Write them as HDF5.", show_default=False)
    ] = None,
    text: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write them as text, 436 columns a line, as the original program.",
            show_default=False,
        ),
    ] = None,
    short_side: Annotated[
        int | None,
        typer.Option(
            metavar="PIXELS",
            min=16,
            show_default=False,
            help="Scale a larger video down to this first.",
        ),
    ] = None,
) -> None:
    """Extract the improved dense trajectories of a video, with HOG, HOF and MBH along them.

    Example: pipeline idt results/demo/videos/SplitMatched/v_SplitMatched_g10_c01.avi --out features.h5
    """

    def extract() -> None:
        from pipeline.idt import features

        typer.echo("\n".join(features.write(video, out, text, short_side)))

    program.run(extract)
