"""The trajectories of one video in a file: HDF5, or text as the original program prints it."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import cv2
import numpy as np

from pipeline.errors import PipelineError
from pipeline.files import replacing
from pipeline.idt.extract import COLUMNS, trajectories
from pipeline.idt.fisher import PARTS
from pipeline.jobs.code_id import code_id
from pipeline.jobs.progress import Progress
from pipeline.storage import writer
from pipeline.video.decode import decode, probe

FORMAT = "\t".join(
    ["%d"] + ["%f"] * (PARTS["shape"].stop - 1) + ["%.7f"] * (COLUMNS - PARTS["shape"].stop)
)


def write(
    path: Path, out: Path | None, text: Path | None, short_side: int | None = None
) -> list[str]:
    """Write the trajectories of the video at `path` to an HDF5 file `out`, a `text` file or both; returns what to say.

    Raises PipelineError when neither is wanted, one cannot be written, or the video cannot be decoded.
    """
    if out is None and text is None:
        raise PipelineError("say where the trajectories go: --out FILE.h5, or --text FILE")
    frames = probe(path)["frames"]
    progress, count = Progress(f"idt {path.name}", frames, "frames"), 0
    cv2.setNumThreads(1)

    def images() -> Iterator[np.ndarray]:
        for frame in decode(path, short_side):
            yield frame
            progress.update()

    try:
        with ExitStack() as stack:
            writers = [
                stack.enter_context(way(place, path, short_side))
                for way, place in ((_hdf5, out), (_text, text))
                if place
            ]
            for rows in trajectories(images(), frames):
                count += len(rows)
                for append in writers:
                    append(rows)
    except OSError as error:
        raise PipelineError(f"the trajectories cannot be written: {error}") from error
    finally:
        progress.close()
    return [f"{place}: {count} trajectories of {frames} frames" for place in (out, text) if place]


@contextmanager
def _hdf5(
    place: Path, path: Path, short_side: int | None
) -> Iterator[Callable[[np.ndarray], None]]:
    """What appends rows to a new HDF5 file."""
    with writer.create(
        place, "trajectories", {"short_side": short_side}, code_id(__file__), source=path.name
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
def _text(
    place: Path, path: Path, short_side: int | None
) -> Iterator[Callable[[np.ndarray], None]]:
    """What appends rows to a new text file, a line each."""
    with replacing(place) as temporary, open(temporary, "w") as file:
        yield lambda rows: np.savetxt(file, rows, fmt=FORMAT)
