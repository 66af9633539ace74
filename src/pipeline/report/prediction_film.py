"""A video with the running answer of a run below it, as MP4."""

from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np

from pipeline.files import replacing
from pipeline.report import fonts
from pipeline.report.prediction import Prediction, running
from pipeline.report.text import NAMES
from pipeline.video.decode import decode
from pipeline.video.film import film

# Larger videos are scaled down to this short side, and narrower ones up to this width.
SHORT_SIDE, NARROWEST = 480, 320
# matplotlib's own font, below its folder of data.
FONT = "fonts/ttf/DejaVuSans.ttf"
# Classes below a frame.
SHOWN = 3
# Colours of text, of the answer's bar, of the others', and of what is behind them.
TEXT, FIRST, OTHER, BEHIND = (235, 235, 235), (255, 140, 40), (90, 150, 220), (24, 24, 28)


def draw(prediction: Prediction, path: Path, on_frame: Callable[[], None] = lambda: None) -> None:
    """Write the video of a prediction with the classes that it shows at each instant.

    They are those of the fusion without trajectories, which are scored as a whole. `on_frame` is
    called after each frame.
    """
    seconds, name, values = running(prediction)
    # Where the nearest of the instants that were scored is another one.
    turns = (seconds[1:] + seconds[:-1]) / 2 * prediction.rate
    # What is damaged has been said, or accepted.
    frames = decode(prediction.path, SHORT_SIDE, accept_damage=True)
    first = next(frames)
    width, height = _size(first)
    panel_height = _line(width) * (SHOWN + 2)
    panels = {}
    with (
        replacing(path, sealed=False) as temporary,
        film(temporary, width, height + panel_height, prediction.rate) as append,
    ):
        for number, frame in enumerate(_chain(first, frames)):
            nearest = int(np.searchsorted(turns, number))
            if nearest not in panels:
                panels = {nearest: _panel(prediction, name, values[nearest], width, panel_height)}
            panel = panels[nearest].copy()
            done = round(width * (number + 1) / prediction.frames)
            panel[: max(2, panel_height // 40), :done] = OTHER
            append(np.concatenate([cv2.resize(frame, (width, height)), panel]))
            on_frame()


def _chain(first: np.ndarray, others: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
    yield first
    yield from others


def _size(frame: np.ndarray) -> tuple[int, int]:
    """Even width and height at which frames are shown."""
    height, width = frame.shape[:2]
    scale = max(1, -(-NARROWEST // width))
    return width * scale // 2 * 2, height * scale // 2 * 2


def _line(width: int) -> int:
    """The height of a line of text, an even number of pixels."""
    return max(18, width // 44 * 2)


def _panel(
    prediction: Prediction, name: str, values: np.ndarray, width: int, height: int
) -> np.ndarray:
    """What stands below a frame: the likeliest classes by `values` (classes,), as bars."""
    from matplotlib import get_data_path
    from PIL import Image, ImageDraw, ImageFont

    line = _line(width)
    font = ImageFont.truetype(f"{get_data_path()}/{FONT}", int(line * 0.62))
    image = Image.new("RGB", (width, height), BEHIND)
    draw = ImageDraw.Draw(image)
    left, middle = line // 2, int(width * 0.5)
    title = f"{NAMES[name]} of {prediction.trained.name}"
    draw.text((left, line * 0.35), _fitting(draw, title, font, width - 2 * left), TEXT, font)
    room = width - middle - 4 * line
    for rank, label in enumerate(np.argsort(-values, kind="stable")[:SHOWN]):
        top, share = line * (rank + 1.5), float(values[label])
        text = fonts.label(prediction.trained.classes[label], int(label))
        draw.text((left, top), _fitting(draw, text, font, middle - 2 * left), TEXT, font)
        colour = OTHER if rank else FIRST
        draw.rectangle((middle, top + 2, middle + max(1, room * share), top + line - 5), colour)
        draw.text((middle + room * share + left, top), f"{share:.0%}", TEXT, font)
    return np.asarray(image)


def _fitting(draw, text: str, font, room: float) -> str:
    """A text whose end is cut where it is wider than `room` pixels."""
    while draw.textlength(text, font) > room and len(text) > 3:
        text = f"{text.removesuffix('..')[:-1]}.."
    return text
