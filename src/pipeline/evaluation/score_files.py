"""Scores of one source: clips, labels, classes and values, as the pipeline's files hold them."""

from dataclasses import dataclass

import numpy as np

from pipeline.errors import PipelineError
from pipeline.storage.reader import open_checked


@dataclass
class Scores:
    """Scores of one source: (clips, classes), and the clips' ids and labels in the same order."""

    clips: list[str]
    labels: np.ndarray
    classes: list[str]
    values: np.ndarray


def read_scores(path: str) -> Scores:
    """Read a scores.h5. Raises PipelineError when it is none, or holds a value that is no number."""
    with open_checked(path, "scores") as file:
        scores = Scores(
            [clip.decode() for clip in file["clips"]],
            file["labels"][...],
            [name.decode() for name in file["classes"]],
            file["scores"][...].astype(np.float64),
        )
    return checked(scores, path)


def checked(scores: Scores, path: str) -> Scores:
    """The scores of the file at `path`; raises PipelineError when a value is no number."""
    if not np.isfinite(scores.values).all():
        bad = scores.clips[int(np.flatnonzero(~np.isfinite(scores.values).all(axis=1))[0])]
        raise PipelineError(
            f"{path}: the scores of clip '{bad}' are not all numbers; make it again"
        )
    return scores
