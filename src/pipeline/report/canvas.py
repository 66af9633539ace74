"""Figures of matplotlib: titled, and written as PNG."""

import textwrap
from pathlib import Path

from pipeline.files import replacing
from pipeline.report.clip import Clip
from pipeline.report.fonts import shown

# Pixels of a picture per inch of its figure.
DPI = 110


def titled_figure(clip: Clip, width: float, height: float, content: str):
    """A figure of `width` x `height` inches, titled with a clip, its class, `content` and file.

    A file without clips stands for one, which has no class.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    title = [
        clip.id,
        f"class {clip.class_name}; {content}" if clip.class_name else content,
        str(Path(*Path(clip.file.filename).parts[-4:])),
    ]
    # A line has about 11 characters an inch at this size.
    lines = [textwrap.fill(shown(line), int(11 * width)) for line in title]
    figure.suptitle("\n".join(lines), fontsize=12)
    return figure


def save_figure(figure, path: str | Path, tight: bool = False) -> None:
    """Write a figure as PNG, complete or not at all, and free its memory. No program reads it.

    A picture that is `tight` has the size of what is drawn, also beyond the figure.
    """
    from matplotlib import pyplot

    try:
        with replacing(path, sealed=False) as temporary:
            box = "tight" if tight else None
            figure.savefig(temporary, dpi=DPI, format="png", bbox_inches=box, pad_inches=0.15)
    finally:
        pyplot.close(figure)
