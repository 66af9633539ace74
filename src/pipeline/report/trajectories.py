"""Trajectories of a clip: where they run, and a picture of them over frames."""

from contextlib import suppress
from pathlib import Path

import h5py
import numpy as np

from pipeline.errors import PipelineError
from pipeline.report.beside import frames_of
from pipeline.report.clip import Clip
from pipeline.report.layout import evenly_spaced, facts_lines
from pipeline.report.sheets import contact_sheet
from pipeline.storage.decoding import read
from pipeline.video.decode import decode

# Columns of a trajectory (`idt.extract`): the frame of its end, its mean position, the length of
# its path, its scale, its mean position relative to the frame, and its steps over their summed
# length.
END, X, Y, LENGTH, SCALE, RELATIVE_X, RELATIVE_Y = 0, 1, 2, 5, 6, 7, 8
SHAPE = slice(10, 40)
STEPS = 15
# Tiles of a picture, and trajectories that are drawn in each.
TILES, MOST = 8, 800
# Rows that are read at a time: 436 numbers each, of which a few are kept.
ROWS = 20_000
# As in the papers: a green path with a red end.
PATH, TIP = "#27e027", "#ff2020"


def trajectory_facts(data: h5py.Dataset) -> dict:
    """How many trajectories (n, 436) there are, when they end, and their lengths and scales."""
    rows = _read_rows(data)
    if not len(rows):
        return {"trajectories": "none"}
    ends, lengths = rows[:, END].astype(int), rows[:, LENGTH]
    scales, counts = np.unique(rows[:, SCALE], return_counts=True)
    return {
        "trajectories": len(rows),
        "ends": f"in frames {ends.min()} to {ends.max()}",
        "path": f"mean {lengths.mean():.1f} px, max {lengths.max():.1f} px",
        "scales": ", ".join(
            f"{scale:.2f}: {count}" for scale, count in zip(scales, counts, strict=True)
        ),
    }


def trajectory_lines(file: h5py.File, width: int, _: bool) -> list[str]:
    """What the trajectories of a whole file are."""
    return facts_lines(trajectory_facts(file["trajectories"]), width)


def draw_trajectories(clip: Clip, video: str | Path | None = None):
    """A figure of trajectories, each on the frame that is nearest to its middle.

    Frames are those of `video`, of the shard of frames of the same run, or of the video beside the
    file; without any, the ground is plain. Raises PipelineError where `video` cannot be read, or
    has frames of another size.
    """
    rows = _read_rows(clip.data)
    if not len(rows):
        raise PipelineError(f"{clip.file.filename}: there are no trajectories to draw")
    middles = rows[:, END].astype(int) - STEPS // 2
    low, high = int(middles.min()), int(middles.max())
    times = [low + place for place in evenly_spaced(high - low + 1, TILES)]
    frames = _frames(clip, times, video)
    shape = _shape(rows)
    for frame in frames.values():
        if video and np.abs(np.subtract(frame.shape[:2], shape)).max() > 1:
            raise PipelineError(
                f"{video}: its frames have {frame.shape[1]} x {frame.shape[0]} pixels, and the "
                f"trajectories are of {shape[1]} x {shape[0]}; name the video that they are of"
            )
    content = (
        f"{len(rows):,} trajectories of {STEPS} frames, less the camera's motion, over the frame "
        "at their middle; red: the end"
    )
    tile_of = np.argmin(np.abs(middles[:, None] - np.array(times)), axis=1)
    chosen = [np.flatnonzero(tile_of == tile) for tile in range(len(times))]
    names = [_tile_name(time, len(of_tile)) for time, of_tile in zip(times, chosen, strict=True)]
    figure, tiles, _ = contact_sheet(clip, names, shape, content)
    for axes, time, of_tile in zip(tiles, times, chosen, strict=True):
        if time in frames:
            axes.imshow(frames[time])
        if len(of_tile) > MOST:
            of_tile = of_tile[evenly_spaced(len(of_tile), MOST)]
        _draw_paths(axes, paths(rows[of_tile]))
        axes.set(xlim=(-0.5, shape[1] - 0.5), ylim=(shape[0] - 0.5, -0.5), aspect="equal")
    return figure


def _tile_name(time: int, count: int) -> str:
    return f"frame {time}: {min(count, MOST):,}" + (f" of {count:,}" if count > MOST else "")


def _draw_paths(axes, lines: np.ndarray) -> None:
    """Paths (n, 16, 2), and a dot at the end of each."""
    from matplotlib.collections import LineCollection

    axes.add_collection(LineCollection(lines, colors=PATH, linewidths=0.8))
    axes.scatter(*lines[:, -1].T, s=3, c=TIP, linewidths=0, zorder=3)


def paths(rows: np.ndarray) -> np.ndarray:
    """The positions (n, 16, 2) of trajectories, x and y in pixels, from their columns (n, >= 40).

    A file has their steps without the camera's motion, in parts of the sum of these. They are drawn
    as long as the path is in the frames, around its mean position.
    """
    steps = rows[:, SHAPE].reshape(len(rows), STEPS, 2) * rows[:, LENGTH, None, None]
    positions = np.concatenate([np.zeros((len(rows), 1, 2)), np.cumsum(steps, axis=1)], axis=1)
    return positions - positions.mean(axis=1, keepdims=True) + rows[:, None, [X, Y]]


def _read_rows(data: h5py.Dataset) -> np.ndarray:
    """The first 40 columns of all trajectories; the descriptors of a long video are large."""
    blocks = [data[start : start + ROWS, : SHAPE.stop] for start in range(0, len(data), ROWS)]
    return np.concatenate(blocks) if blocks else np.zeros((0, SHAPE.stop), np.float32)


def _shape(rows: np.ndarray) -> tuple[int, int]:
    """Height and width of the frames, from positions in pixels and relative ones."""
    sizes = [
        np.median(rows[:, place] / np.maximum(rows[:, relative], 1e-6))
        for place, relative in ((Y, RELATIVE_Y), (X, RELATIVE_X))
    ]
    height, width = (max(1, round(float(size))) for size in sizes)
    return height, width


def _frames(clip: Clip, times: list[int], video: str | Path | None) -> dict[int, np.ndarray]:
    """Frames (H, W, 3) by their number; none where they are not at hand."""
    if video:
        return _decoded(video, times, clip)
    if clip.kind == "samples":
        stored = frames_of(clip)
        return {t: read(stored, [t])[0] for t in times if t < len(stored)} if stored else {}
    beside = Path(clip.file.filename).with_name(clip.id)
    # A name in a file may lead anywhere.
    if Path(clip.id).name == clip.id and beside.is_file():
        with suppress(PipelineError):
            return _decoded(beside, times, clip)
    return {}


def _decoded(video: str | Path, times: list[int], clip: Clip) -> dict[int, np.ndarray]:
    settings = clip.settings
    short_side = settings.get("short_side", settings.get("decode", {}).get("short_side"))
    found = {}
    for number, frame in enumerate(decode(video, short_side)):
        if number in times:
            found[number] = frame
        if number == times[-1]:
            break
    return found
