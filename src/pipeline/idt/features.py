"""The trajectories of one video in a file: HDF5, or text as the original program prints it."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import cv2
import numpy as np

from pipeline.errors import PipelineError
from pipeline.files import replacing
from pipeline.idt.extract import COLUMNS, trajectories
from pipeline.idt.fisher import DESCRIPTORS
from pipeline.jobs.code_id import code_id
from pipeline.jobs.progress import Progress
from pipeline.storage import writer
from pipeline.video.decode import decode, probe

# Formats of the columns in text: the number of the frame, position and shape, histograms.
SHAPE_END = DESCRIPTORS["shape"].stop
FORMAT = "\t".join(["%d"] + ["%f"] * (SHAPE_END - 1) + ["%.7f"] * (COLUMNS - SHAPE_END))


def write(
    path: Path, out: Path | None, text: Path | None, short_side: int | None = None
) -> list[str]:
    """Write the trajectories of a video to an HDF5 file, a text file or both.

    Args:
        path: the video.
        out: the HDF5 file, or None.
        text: the text file, or None.
        short_side: pixels to which the short side of a larger video is scaled, or None.

    Returns:
        One line for the user per written file.

    Raises:
        PipelineError: both files are None, one cannot be written, or the video cannot be decoded.
    """
    if out is None and text is None:
        raise PipelineError("say where the trajectories go: --out FILE.h5, or --text FILE")
    frames = probe(path)["frames"]
    progress, count = Progress(f"idt {path.name}", frames, "frames"), 0
    # One core, as in the jobs of the workflow.
    cv2.setNumThreads(1)

    def images() -> Iterator[np.ndarray]:
        for frame in decode(path, short_side):
            yield frame
            progress.update()

    try:
        with ExitStack() as stack:
            writers = []
            if out:
                writers.append(stack.enter_context(_hdf5_writer(out, path.name, short_side)))
            if text:
                writers.append(stack.enter_context(_text_writer(text)))
            for rows in trajectories(images(), frames):
                count += len(rows)
                for append in writers:
                    append(rows)
    except OSError as error:
        raise PipelineError(f"the trajectories cannot be written: {error}") from error
    finally:
        progress.close()
    return [f"{file}: {count} trajectories of {frames} frames" for file in (out, text) if file]


@contextmanager
def _hdf5_writer(
    out: Path, source: str, short_side: int | None
) -> Iterator[Callable[[np.ndarray], None]]:
    """Open a new HDF5 file, and give a function that appends rows to it."""
    # A folder of seals beside a user's own file would surprise.
    settings = {"short_side": short_side}
    with writer.create(
        out, "trajectories", settings, code_id(__file__), sealed=False, source=source
    ) as file:
        data = file.create_dataset(
            "trajectories",
            (0, COLUMNS),
            np.float32,
            maxshape=(None, COLUMNS),
            chunks=(256, COLUMNS),
        )

        def append(rows: np.ndarray) -> None:
            data.resize(len(data) + len(rows), axis=0)
            data[len(data) - len(rows) :] = rows

        yield append


@contextmanager
def _text_writer(text: Path) -> Iterator[Callable[[np.ndarray], None]]:
    """Open a new text file, and give a function that appends rows to it, one per line."""
    with replacing(text, sealed=False) as temporary, open(temporary, "w") as file:
        yield lambda rows: np.savetxt(file, rows, fmt=FORMAT)
