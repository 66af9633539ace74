"""Figures of matplotlib: titled, and written as PNG."""

import textwrap
from pathlib import Path

from pipeline.files import replacing
from pipeline.report.clip import Clip
from pipeline.report.fonts import shown


def titled_figure(clip: Clip, width: float, height: float, content: str):
    """A figure of `width` x `height` inches, titled with a clip, its class, `content` and file."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    title = [
        clip.id,
        f"class {clip.class_name}; {content}",
        str(Path(*Path(clip.file.filename).parts[-4:])),
    ]
    # A line has about 11 characters an inch at this size.
    lines = [textwrap.fill(shown(line), int(11 * width)) for line in title]
    figure.suptitle("\n".join(lines), fontsize=12)
    return figure


def save_figure(figure, path: str | Path) -> None:
    """Write a figure as PNG, complete or not at all, and free its memory. No program reads it."""
    from matplotlib import pyplot

    try:
        with replacing(path, sealed=False) as temporary:
            figure.savefig(temporary, dpi=110, format="png")
    finally:
        pyplot.close(figure)
