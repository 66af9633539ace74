"""Pictures of clips in the pipeline's HDF5 files, or of whole files, as PNG."""

from pathlib import Path

from pipeline.errors import PipelineError
from pipeline.report.canvas import save_figure
from pipeline.report.charts import draw_groups, draw_scores
from pipeline.report.clip import Clip
from pipeline.report.encoding_pictures import draw_classifiers, draw_codebook, draw_fisher
from pipeline.report.fonts import as_written
from pipeline.report.sheets import draw_flow, draw_frames
from pipeline.report.trajectories import draw_trajectories

# What draws a clip of each kind of file, or the whole file.
PICTURES = {
    "frames": draw_frames,
    "flow": draw_flow,
    "groups": draw_groups,
    "scores": draw_scores,
    "samples": draw_trajectories,
    "trajectories": draw_trajectories,
    "codebook": draw_codebook,
    "fisher": draw_fisher,
    "svm": draw_classifiers,
}


def draw(clip: Clip, path: str | Path, video: str | Path | None = None) -> None:
    """Write a picture of a clip as PNG; trajectories are drawn over the frames of a `video`.

    Raises PipelineError when there are no pictures of its kind, or the file cannot be written.
    """
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
    if video and clip.kind not in ("samples", "trajectories"):
        raise PipelineError(
            f"--video is for trajectories, and {clip.file.filename} has {clip.kind}"
        )
    more = {"video": video} if video else {}
    try:
        with as_written([clip.id, clip.class_name, clip.file.filename, *_class_names(clip)]):
            save_figure(PICTURES[clip.kind](clip, **more), path)
    except OSError as error:
        raise PipelineError(f"{path}: the picture cannot be written: {error.strerror}") from error


def _class_names(clip: Clip) -> list[str]:
    """Return the names of all classes, where a picture of the clip shows them."""
    return clip.classes if clip.kind in ("groups", "scores", "svm") else []
