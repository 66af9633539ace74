"""The command `pipeline idt`."""

from pathlib import Path
from typing import Annotated

import typer

from pipeline.jobs import program


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

    Example: pipeline idt results/demo/videos/SplitMatched/v_SplitMatched_g10_c01.avi
    --out features.h5
    """
    program.run(lambda: _extract(video, out, text, short_side))


def _extract(video: Path, out: Path | None, text: Path | None, short_side: int | None) -> None:
    from pipeline.idt import features

    typer.echo("\n".join(features.write(video, out, text, short_side)))
