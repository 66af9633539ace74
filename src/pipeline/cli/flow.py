"""The command `pipeline flow`."""

import os
import sys
import time
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.advice import told
from pipeline.errors import PipelineError, listed, nearest
from pipeline.jobs import program

# Not the docstring of the command, as its examples are longer than a line of code may be.
HELP_OF_FLOW = (
    "Compute TV-L1 optical flow of videos for other programs.\n\n"
    "A VIDEO may be a folder, which stands for all videos in it, or a .txt file with a path a "
    "line. The same command again goes on where it was stopped: a clip is there whole or not at "
    "all. Formats: jpg and png are bytes, displacements clipped to the bound; h5, flo and npy are "
    "pixels in float32. docs/flow-for-others.md tells what the files are called and how to read "
    "them.\n\n"
    "Examples:\n\n"
    "\b\n"
    "  pipeline flow clip.avi --out flow\n"
    "  pipeline flow UCF-101 --out rawframes --layout mmaction\n"
    "  pipeline flow videos.txt --out flow --format npy --workers 4"
)


def flow(
    videos: Annotated[
        list[Path],
        typer.Argument(metavar="VIDEO..", help="Any formats that ffmpeg reads; folders; lists."),
    ],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder to write to.")],
    kind: Annotated[
        str, typer.Option("--format", metavar="FORMAT", help="h5, jpg, png, flo or npy.")
    ] = "jpg",
    layout: Annotated[
        str,
        typer.Option(metavar="LAYOUT", help="Names of files: denseflow, tsn or mmaction."),
    ] = "denseflow",
    bound: Annotated[
        float, typer.Option(metavar="PIXELS", help="Displacements of jpg and png end here.")
    ] = 20.0,
    step: Annotated[
        int, typer.Option(min=1, metavar="N", help="Flow from a frame to the N-th after it.")
    ] = 1,
    short_side: Annotated[
        int,
        typer.Option(
            min=0, metavar="PIXELS", help="Scale larger videos down to this; 0 leaves them."
        ),
    ] = 256,
    workers: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            show_default=False,
            help="Clips at a time; by default one a core, on a GPU one.",
        ),
    ] = None,
    backend: Annotated[
        str, typer.Option(metavar="NAME", help="auto, cpu, cuda or opencv (slow).")
    ] = "auto",
    class_folders: Annotated[
        bool,
        typer.Option("--class-folders", help="Keep the folder of each video that is named singly."),
    ] = False,
    damaged: Annotated[
        bool, typer.Option("--damaged", help="Use what decodes of damaged videos.")
    ] = False,
) -> None:
    """Compute flow for other programs; `HELP_OF_FLOW` is what `--help` prints."""

    def main() -> None:
        settings = _settings(kind, layout, bound, step, short_side, backend, damaged)
        _compute(videos, out, settings, workers, class_folders)

    program.run(main)


def _settings(
    kind: str, layout: str, bound: float, step: int, short_side: int, backend: str, damaged: bool
):
    """The settings that the options say. Raises PipelineError for those that cannot be."""
    from pipeline.extraction.layouts import ENDINGS, LAYOUTS, Settings
    from pipeline.flow import tvl1
    from pipeline.video.decode import LEAST_SIDE

    for option, value, known in (
        ("--format", kind, list(ENDINGS)),
        ("--layout", layout, list(LAYOUTS)),
        ("--backend", backend, ["auto", *tvl1.BACKENDS]),
    ):
        if value not in known:
            raise PipelineError(
                f"{option} is '{value}'; take one of {', '.join(known)}{nearest(value, known)}"
            )
    # Negated, so that NaN, for which every comparison is false, is refused too.
    if not 0 < bound < float("inf"):
        raise PipelineError(f"--bound is {bound:g}; take a number of pixels above 0, such as 20")
    if 0 < short_side < LEAST_SIDE:
        raise PipelineError(f"--short-side is {short_side}; take {LEAST_SIDE} at least, or 0")
    backend = tvl1.resolve_backend(backend)
    return Settings(
        kind, layout, bound, step, short_side, backend, tvl1.solver_version(backend), damaged
    )


def _compute(
    videos: list[Path], out: Path, settings, workers: int | None, class_folders: bool
) -> None:
    """Compute the flow of all videos, and tell of those that have none.

    Raises PipelineError at the end where a video has none.
    """
    from pipeline.extraction import clips
    from pipeline.extraction.videos import find
    from pipeline.jobs import pool
    from pipeline.jobs.progress import Progress, format_duration
    from pipeline.video.ffmpeg import shown

    found = find(videos, settings, class_folders)
    clips.prepare(out, settings)
    if workers is None:
        workers = 1 if settings.backend == "cuda" else len(os.sched_getaffinity(0))
    begun, computed, counts, problems = time.monotonic(), 0, [0, 0], []
    progress = Progress("flow", len(found), "clips", silent=not sys.stderr.isatty())

    def rate() -> str:
        return f"{computed:,} fields, {computed / (time.monotonic() - begun):.1f}/s"

    def advance(count: int) -> None:
        nonlocal computed
        computed += count
        progress.update(0, rate())

    try:
        task = partial(clips.extract, settings, out)
        for video, said in pool.each(task, found, workers, advance):
            progress.update(1, rate())
            if isinstance(said, PipelineError):
                if len(found) == 1:
                    raise PipelineError(_told(said)) from said
                problems.append(shown(video.path))
                typer.echo(f"error: {_told(said)}", err=True)
            else:
                counts[said["was_there"]] += 1
    finally:
        progress.close()
        clips.clear(out)
    seconds = time.monotonic() - begun
    before = f", {counts[1]:,} were there before" if counts[1] else ""
    typer.echo(
        f"{shown(out)}: {counts[0]:,} of {len(found):,} videos computed{before}; {rate()} in "
        f"{format_duration(seconds)}"
    )
    if problems:
        raise PipelineError(
            f"{len(problems):,} of {len(found):,} videos have no flow: {listed(problems)}"
        )


def _told(error: PipelineError) -> str:
    """What is wrong with a video, and what to do about it here."""
    is_missing = "there is no such video" in str(error)
    return told(error, "correct its path" if is_missing else "leave it out")
