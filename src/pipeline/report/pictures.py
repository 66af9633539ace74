"""Pictures of clips in the pipeline's HDF5 files, as PNG."""

from pathlib import Path

from pipeline.errors import PipelineError
from pipeline.report.canvas import save_figure
from pipeline.report.charts import draw_groups, draw_scores
from pipeline.report.clip import Clip
from pipeline.report.sheets import draw_flow, draw_frames

# What draws a clip of each kind of file.
PICTURES = {"frames": draw_frames, "flow": draw_flow, "groups": draw_groups, "scores": draw_scores}


def draw(clip: Clip, path: str | Path) -> None:
    """Write a picture of a clip as PNG.

    Raises PipelineError when there are no pictures of its kind, or the file cannot be written.
    """
    from matplotlib import rc_context

    path = Path(path)
    if path.suffix.lower() != ".png":
        raise PipelineError(f"{path}: pictures are PNG files; let the name end in .png")
    if path.is_dir():
        raise PipelineError(f"{path}: this is a folder")
    if not path.parent.is_dir():
        raise PipelineError(f"{path}: its folder does not exist")
    if clip.kind not in PICTURES:
        raise PipelineError(
            f"{clip.file.filename}: there are no pictures of {clip.kind}; leave --png out"
        )
    try:
        # Names of clips and classes may hold dollars, which matplotlib takes for formulas.
        with rc_context({"text.parse_math": False}):
            save_figure(PICTURES[clip.kind](clip), path)
    except OSError as error:
        raise PipelineError(f"{path}: the picture cannot be written: {error.strerror}") from error
