"""The command `pipeline inspect`."""

from pathlib import Path
from shutil import get_terminal_size
from typing import Annotated

import typer

from pipeline.cli.advice import told
from pipeline.errors import MachineError, PipelineError
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
            help="Write a picture of the clip, by default of the first, or of the file.",
            show_default=False,
        ),
    ] = None,
    video: Annotated[
        Path | None,
        typer.Option(
            metavar="VIDEO",
            help="The video to draw trajectories over, where it is not near their file.",
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
      pipeline inspect trajectories.h5 --png paths.png --video clip.avi
    """
    program.run(lambda: _print(file, clip, png, video, everything))


def _print(
    file: Path, name: str | None, png: Path | None, video: Path | None, everything: bool
) -> None:
    from pipeline.jobs import limits
    from pipeline.report.layout import visible

    if video is not None and png is None:
        raise PipelineError(f"--video {video}: there is no picture to draw it in; give --png, too")
    # Longer lines are hard to read.
    width = min(get_terminal_size().columns, 140)
    picture = None if png is None else str(png)
    cure = "it is damaged, or this pipeline did not make it"
    # HDF5 may crash on a damaged file, or never end.
    memory = NETWORK_MEMORY if file.suffix == ".pt" else None
    over = None if video is None else str(video)
    try:
        found = limits.call(
            show_file, file, name, picture, over, everything, width, cure=cure, memory=memory
        )
    except MachineError:
        raise
    except PipelineError as error:
        raise PipelineError(told(error, "name the video that the trajectories are of")) from error
    typer.echo("\n".join(map(visible, found["lines"])))


def show_file(
    path: str, name: str | None, png: str | None, video: str | None, everything: bool, width: int
) -> dict[str, list[str]]:
    """Return lines about a file or a clip in it, and draw the clip as `png`; see `inspect`."""
    from pipeline.report import inspect
    from pipeline.report.clip import WHOLE, find_clip, kind_of, whole_file
    from pipeline.report.describe import describe_clip
    from pipeline.report.kinds import TORCH, what_is

    if what_is(path) == TORCH:
        return {"lines": _network_lines(path, name, png, everything, width)}
    with inspect.open_file(path) as opened:
        is_whole = name is None and kind_of(opened) in WHOLE
        clip = None
        if name is not None or png:
            clip = whole_file(opened) if is_whole else find_clip(opened, name)
        if png:
            from pipeline.report import pictures

            pictures.draw(clip, png, video)
        lines = (
            inspect.describe(opened, width, everything)
            if name is None
            else describe_clip(clip, width)
        )
    if png:
        first = ", the first clip" if name is None and not is_whole else ""
        lines += ["", f"{png}: a picture of {clip.id}{first}"]
    return {"lines": lines}


def _network_lines(
    path: str, name: str | None, png: str | None, everything: bool, width: int
) -> list[str]:
    from pipeline.report import networks

    if name is not None or png:
        what = "clips" if name is not None else "pictures"
        raise PipelineError(f"{path}: a network has no {what}; name it alone")
    return networks.describe(path, width, everything)
