"""A video through all that a run has learned: decoded, its flow computed, scored as a test clip is.

Frames and fields take the way of the store, through its codecs into a temporary file, so that a
network sees the very pixels that it would see in testing. A long video is cut into windows, each of
them a clip, so that neither memory nor disk grow with its length.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np
import torch

from pipeline.data.crops import eval_crops
from pipeline.data.instants import scored_instants
from pipeline.data.stream import Stream
from pipeline.errors import PipelineError
from pipeline.flow import levels, tvl1
from pipeline.idt.extract import trajectories
from pipeline.inference.scores import score_clips, summarise
from pipeline.inference.trained import Trained
from pipeline.storage import decoding, writer
from pipeline.storage.codecs import Codec
from pipeline.storage.keys import key_of
from pipeline.storage.layout import BLOCK
from pipeline.streams import STORES, STREAMS
from pipeline.video.decode import decode

# The one clip of a temporary file.
CLIP = "video/window"


@dataclass
class Window:
    """Scores of a part of a video that is a clip by itself.

    first: the number of its first frame in the video.
    frames: their number.
    scores: (classes,) by source, as those of a test clip.
    centres: (P,) the instants, from `first` on, that the test periods or snippets lie around.
    over_time: (P, classes) by network, the scores of each of these alone.
    pictures: some frames (H, W, 3) RGB with the field (2, H, W) that begins there, as they are
        stored, by their number in the video.
    """

    first: int
    frames: int
    scores: dict[str, np.ndarray]
    centres: np.ndarray
    over_time: dict[str, np.ndarray]
    pictures: dict[int, tuple[np.ndarray, np.ndarray]]


def cut(frames: int, rate: float, seconds: float | None) -> list[int]:
    """The numbers of frames of the windows of a video, of about so many `seconds`; None is one.

    All are equally long to a frame, and none has fewer than the two frames that flow needs.
    """
    # Seconds may be so few that nothing is left of their product.
    wanted = 1 if seconds is None else min(frames / max(rate * seconds, 1e-9), frames)
    count = min(max(round(wanted), 1), max(frames // 2, 1))
    edges = np.linspace(0, frames, count + 1).round().astype(int)
    return np.diff(edges).tolist()


def score_video(
    trained: Trained,
    path: Path,
    lengths: list[int],
    device: torch.device,
    pictured: list[int],
    on_frame: Callable[[], None] = lambda: None,
    accept_damage: bool = False,
) -> Iterator[Window]:
    """Score the windows of a video, with so many frames each, one after the other.

    `pictured` are numbers of frames that are handed back. `on_frame` is called after each frame.
    With `accept_damage` what decodes of a damaged video is scored.
    Raises PipelineError where the video cannot be decoded, or has other than the frames given.
    """
    short_side = trained.settings["decode"]["short_side"]
    # Trajectories need the frames as they are decoded, not as they are stored.
    passes = [
        decode(path, short_side, accept_damage) for _ in range(1 + bool(trained.trajectories))
    ]
    # As in the jobs that compute flow and trajectories.
    cv2.setNumThreads(1)
    first = 0
    for length in lengths:
        inside = [number - first for number in pictured if first <= number < first + length]
        with TemporaryDirectory(prefix="pipeline-predict-") as folder:
            row = {"clip": CLIP, "path": str(path), "frames": length}
            files = {kind: Path(folder) / f"{kind}.h5" for kind in STORES.values()}
            count = _store(trained.settings, islice(passes[0], length), files, on_frame)
            if count != length:
                raise PipelineError(
                    f"{path}: {count:,} frames from number {first:,} on, where {length:,} were "
                    "counted before; the video has changed: run the same command again"
                )
            window = _score(trained, row, files, device, inside)
        if trained.trajectories:
            batches = trajectories(islice(passes[1], length), length)
            window.scores["idt"] = trained.trajectories.score(batches)
        window.first = first
        window.pictures = {first + number: pair for number, pair in window.pictures.items()}
        first += length
        yield window
    for frames in passes:
        # What the decoder says at its end.
        next(frames, None)


def _store(
    settings: dict,
    frames: Iterator[np.ndarray],
    files: dict[str, Path],
    on_frame: Callable[[], None],
) -> int:
    """Write frames and their flow as the jobs of the store do; returns the number of frames."""
    parameters = {key: value for key, value in settings["flow"].items() if key != "bound"}
    # Both of our own solvers give the same bits.
    own = {"cpu": "auto", "cuda": "auto"}
    wanted = own.get(parameters["backend"], parameters["backend"])
    parameters["backend"] = tvl1.resolve_backend(wanted)
    count = 0
    with (
        _appending(files["frames"], "frames", settings) as append_frame,
        _appending(files["flow"], "flow", settings) as append_field,
    ):

        def stored() -> Iterator[np.ndarray]:
            nonlocal count
            for frame in frames:
                append_frame(frame)
                count += 1
                yield tvl1.grey(frame)
                on_frame()

        for field in tvl1.fields(stored(), **parameters):
            # (H, W, 2) to (2, H, W).
            append_field(levels.quantise(field, settings["flow"]["bound"]).transpose(2, 0, 1))
    return count


@contextmanager
def _appending(path: Path, kind: str, settings: dict) -> Iterator[Callable[[np.ndarray], None]]:
    """A file of one clip, and what appends a frame or field to it."""
    codec, block = Codec.from_settings(settings, kind), []
    with writer.create(path, kind, {}, "", sealed=False, coding=str(codec)) as file:

        def flush() -> None:
            key = key_of(CLIP)
            if key not in file:
                codec.create_dataset(file, key, block[0].shape)
            codec.append(file[key], np.stack(block))
            block.clear()

        def append(array: np.ndarray) -> None:
            block.append(array)
            if len(block) == BLOCK:
                flush()

        yield append
        if block:
            flush()


def _score(
    trained: Trained,
    row: dict,
    files: dict[str, Path],
    device: torch.device,
    pictured: list[int],
) -> Window:
    """The networks' scores of a stored window."""
    settings, about = trained.settings, trained.settings["scores"]
    crops, period = settings["crops"], settings["period"]
    streams = {
        name: Stream(name, str(files[STORES[name]]), crops, settings["stack"], [row])
        for name in STREAMS
    }
    (logits,) = score_clips(
        trained.models,
        streams,
        [row],
        eval_crops(crops["frame"], crops["test"], about["crops"]),
        period,
        about["batch"],
        device,
        snippets=about["snippets"],
    )
    last = min(stream.last_instant(row) for stream in streams.values())
    centres, instants = scored_instants(last, period, about["snippets"])
    scores, over_time = {}, {}
    for source, values in logits.items():
        values = values.astype(np.float32)
        scores[source] = summarise(values, about["space"])
        # (crops P T, classes) or (crops P, classes) to (P, crops T or crops, classes).
        shape = (-1, len(centres), instants.shape[1] if source in STREAMS else 1, values.shape[-1])
        of_period = np.moveaxis(values.reshape(shape), 1, 0)
        of_period = of_period.reshape(len(centres), -1, values.shape[-1])
        over_time[source] = summarise(of_period, about["space"])
    return Window(0, row["frames"], scores, centres, over_time, _pictures(streams, row, pictured))


def _pictures(
    streams: dict[str, Stream], row: dict, numbers: list[int]
) -> dict[int, tuple[np.ndarray, np.ndarray]]:
    """The stored frames of a window at `numbers`, and the field that begins at each."""
    frames, fields = (streams[name].shards.dataset(row) for name in STREAMS)
    # The last frame has no field of its own.
    return {
        number: (
            decoding.read(frames, [number])[0],
            decoding.read(fields, [min(number, len(fields) - 1)])[0],
        )
        for number in numbers
    }
