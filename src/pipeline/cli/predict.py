"""The command `pipeline predict`."""

import csv
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from shutil import get_terminal_size
from typing import Annotated

import typer

from pipeline import files
from pipeline.cli.advice import told
from pipeline.errors import MachineError, PipelineError, listed
from pipeline.extraction.videos import in_folder
from pipeline.files import replacing
from pipeline.jobs import program
from pipeline.video.ffmpeg import shown

# Seconds from which a video is cut into windows of so many, where none are asked for.
LONG, USUAL_WINDOW = 120, 10
# Frames of a video in its picture.
PICTURES = 8

# Not the docstring of the command, as its examples are longer than a line of code may be.
HELP_OF_PREDICT = (
    "Classify videos by a trained run.\n\n"
    "RUN is an acc.json, its folder, or a file of 'pipeline export'. A folder in place of a VIDEO "
    "stands for all videos in it; what is said of them comes as CSV.\n\n"
    "Examples:\n\n"
    "\b\n"
    "  pipeline predict results/demo/split1 clip.avi --png clip.png\n"
    "  pipeline predict results/demo/split1 film.mp4 --window 10 --mp4 shown.mp4\n"
    "  pipeline predict demo.run videos > predictions.csv"
)


def predict(
    run: Annotated[
        Path, typer.Argument(metavar="RUN", help="An acc.json, its folder, or an export.")
    ],
    videos: Annotated[
        list[Path],
        typer.Argument(metavar="VIDEO..", help="Any formats that ffmpeg reads, or folders."),
    ],
    top: Annotated[int, typer.Option(min=1, metavar="N", help="Classes that are told.")] = 5,
    json_file: Annotated[
        Path | None,
        typer.Option(
            "--json", metavar="FILE", help="Write all scores as JSON.", show_default=False
        ),
    ] = None,
    csv_file: Annotated[
        Path | None,
        typer.Option(
            "--csv", metavar="FILE", help="Write a row for each video.", show_default=False
        ),
    ] = None,
    png: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Draw one video with its probabilities.", show_default=False
        ),
    ] = None,
    mp4: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Write one video with the running answer.", show_default=False
        ),
    ] = None,
    window: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS",
            min=0,
            show_default=False,
            help="Cut videos into windows of about this length; 0 never does. By default those "
            "of more than 2 minutes are cut into windows of 10 s.",
        ),
    ] = None,
    damaged: Annotated[
        bool, typer.Option("--damaged", help="Use what decodes of damaged videos.")
    ] = False,
    device: Annotated[
        str, typer.Option(metavar="auto|cpu|cuda", help="auto takes a GPU where there is one.")
    ] = "auto",
) -> None:
    """Classify videos by a trained run; `HELP_OF_PREDICT` is what `--help` prints."""
    options = Options(top, json_file, csv_file, png, mp4, window, damaged, device)
    program.run(lambda: _predict(run, videos, options))


@dataclass
class Options:
    """What is wanted of a prediction, as the options of the command say."""

    top: int
    json: Path | None
    csv: Path | None
    png: Path | None
    mp4: Path | None
    window: float | None
    damaged: bool
    device: str


def _predict(run: Path, videos: list[Path], options: Options) -> None:
    paths = list(_files(videos))
    _check(paths, options)
    if options.device == "cpu":
        # Before libraries look for a GPU.
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    from pipeline.compute.device import choose_device
    from pipeline.report import prediction, trained_runs

    trained = trained_runs.read(run)
    threads = trained.settings["compute"]["threads"]
    device = choose_device(threads, options.device, option="--device")
    for model in trained.models.values():
        model.to(device)
    top = min(options.top, len(trained.classes))
    notes, found, problems = trained_runs.notes(trained), [], []
    for note in notes:
        typer.echo(f"note: {note}", err=True)
    with _table(trained, top, options, any(path.is_dir() for path in videos)) as add_row:
        for path in paths:
            try:
                said = _predict_one(trained, path, options, device)
            except MachineError:
                raise
            except PipelineError as error:
                problem = told(error, "name another video")
                if len(paths) == 1:
                    raise PipelineError(problem) from error
                typer.echo(f"error: {problem}", err=True)
                problems.append(path)
                add_row({"video": shown(path), "problem": problem})
                continue
            add_row(prediction.table_row(said, top))
            if options.json:
                found.append(prediction.as_dict(said, top))
            if not any(path.is_dir() for path in videos):
                typer.echo("\n".join(prediction.lines(said, top, _width())))
            _draw(said, options)
    if options.json:
        with replacing(options.json, sealed=False) as temporary:
            temporary.write_text(prediction.document(trained, found))
    if problems:
        raise PipelineError(
            f"{len(problems)} of {len(paths)} videos could not be classified: "
            f"{listed([shown(path) for path in problems])}"
        )


def _predict_one(trained, path: Path, options: Options, device):
    """The prediction of one video."""
    from pipeline.inference import video
    from pipeline.report.layout import evenly_spaced
    from pipeline.report.prediction import Prediction
    from pipeline.video.decode import probe
    from pipeline.video.rate import frame_rate

    begun = time.monotonic()
    found, rate = probe(path, options.damaged), frame_rate(path)
    frames = found["frames"]
    seconds = options.window
    if seconds is None and frames / rate > LONG:
        seconds = USUAL_WINDOW
    lengths = video.cut(frames, rate, seconds or None)
    progress = _progress(f"predict {path.name}", frames)
    windows = list(
        video.score_video(
            trained,
            path,
            lengths,
            device,
            evenly_spaced(frames, PICTURES),
            progress.update,
            options.damaged,
        )
    )
    progress.close()
    notes = []
    if files.digest(path) in trained.training:
        notes.append("the run was trained on this very video, so that it knows the answer")
    return Prediction(
        trained,
        path,
        frames,
        rate,
        found["width"],
        found["height"],
        windows,
        time.monotonic() - begun,
        notes,
    )


def _draw(said, options: Options) -> None:
    """Write the picture and the film of a prediction, where they are wanted."""
    if options.png:
        from pipeline.report import prediction_picture

        prediction_picture.draw(said, options.png)
    if options.mp4:
        from pipeline.report import prediction_film

        progress = _progress(f"film {options.mp4.name}", said.frames)
        prediction_film.draw(said, options.mp4, progress.update)
        progress.close()


def _files(videos: list[Path]) -> Iterator[Path]:
    """Yield the videos that are named, and those in folders, in the order of their names."""
    for path in videos:
        yield from in_folder(path) if path.is_dir() else [path]


def _check(paths: list[Path], options: Options) -> None:
    """Refuse options that cannot be, before anything long starts."""
    if options.device not in ("auto", "cpu", "cuda"):
        raise PipelineError(f"--device is '{options.device}'; take auto, cpu or cuda")
    if len(paths) > 1 and (options.png or options.mp4):
        raise PipelineError(
            f"--png and --mp4 show one video, and these are {len(paths)}; name one of them"
        )
    outputs = [path for path in (options.json, options.csv, options.png, options.mp4) if path]
    for path in outputs:
        if path.is_dir():
            raise PipelineError(f"{path}: this is a folder; name a file to write")
        if any(path.resolve() == file.resolve() for file in paths):
            raise PipelineError(f"{path}: this is a video to classify; name another file to write")


@contextmanager
def _table(trained, top: int, options: Options, is_wanted: bool) -> Iterator[Callable]:
    """What adds a row to the table of predictions: in a file, on standard output, or nowhere."""
    from pipeline.report import prediction

    if not options.csv and not is_wanted:
        yield lambda row: None
        return
    columns = prediction.columns(trained, top)
    with ExitStack() as stack:
        file = sys.stdout
        if options.csv:
            temporary = stack.enter_context(replacing(options.csv, sealed=False))
            file = stack.enter_context(open(temporary, "w", newline="", encoding="utf-8"))
        writer = csv.DictWriter(file, columns, restval="", lineterminator="\n")
        writer.writeheader()

        def add(row: dict) -> None:
            writer.writerow(row)
            file.flush()

        yield add


def _progress(title: str, frames: int):
    """A bar on a terminal, and nothing elsewhere."""
    from pipeline.jobs.progress import Progress
    from pipeline.report.layout import visible

    return Progress(visible(title), frames, "frames", silent=not sys.stderr.isatty())


def _width() -> int:
    # Longer lines are hard to read.
    return min(get_terminal_size().columns, 100)
