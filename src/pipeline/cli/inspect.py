"""The command `pipeline inspect`."""

from pathlib import Path
from shutil import get_terminal_size
from typing import Annotated

import typer

from pipeline.jobs import program

# Address space for what reads a network, in bytes; torch reserves more of it than it uses.
NETWORK_MEMORY = 32 << 30


def inspect(
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="An .h5 file of a run, or the .pt file of a network."),
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
    """Show what an HDF5 file of the pipeline holds, or one clip in it; or a trained network.

    Examples:

    \b
      pipeline inspect results/demo/frames/000.h5
      pipeline inspect results/demo/flow/000.h5 v_SwayFew_g01_c01 --png flow.png
      pipeline inspect results/demo/split1/motion/co2fi.pt
    """
    program.run(lambda: _print(file, clip, png, everything))


def _print(file: Path, name: str | None, png: Path | None, everything: bool) -> None:
    from pipeline.jobs import limits
    from pipeline.report.layout import visible

    # Longer lines are hard to read.
    width = min(get_terminal_size().columns, 140)
    picture = None if png is None else str(png)
    cure = "it is damaged, or this pipeline did not make it"
    # HDF5 may crash on a damaged file, or never end.
    memory = NETWORK_MEMORY if file.suffix == ".pt" else None
    found = limits.call(show_file, file, name, picture, everything, width, cure=cure, memory=memory)
    typer.echo("\n".join(map(visible, found["lines"])))


def show_file(
    path: str, name: str | None, png: str | None, everything: bool, width: int
) -> dict[str, list[str]]:
    """Return lines about a file or a clip in it, and draw the clip as `png`; see `inspect`."""
    from pipeline.report import inspect
    from pipeline.report.clip import find_clip
    from pipeline.report.describe import describe_clip
    from pipeline.report.kinds import TORCH, what_is

    if what_is(path) == TORCH:
        return {"lines": _network_lines(path, name, png, everything, width)}
    with inspect.open_file(path) as opened:
        clip = find_clip(opened, name) if name is not None or png else None
        if png:
            from pipeline.report import pictures

            pictures.draw(clip, png)
        lines = (
            inspect.describe(opened, width, everything)
            if name is None
            else describe_clip(clip, width)
        )
    if png:
        first = ", the first clip" if name is None else ""
        lines += ["", f"{png}: a picture of {clip.id}{first}"]
    return {"lines": lines}


def _network_lines(
    path: str, name: str | None, png: str | None, everything: bool, width: int
) -> list[str]:
    from pipeline.errors import PipelineError
    from pipeline.report import networks

    if name is not None or png:
        what = "clips" if name is not None else "pictures"
        raise PipelineError(f"{path}: a network has no {what}; name it alone")
    return networks.describe(path, width, everything)
