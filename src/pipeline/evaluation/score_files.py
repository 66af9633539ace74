"""The scores of one source, and the HDF5 files that hold them."""

import hashlib
from dataclasses import dataclass

import numpy as np

from pipeline.errors import PipelineError
from pipeline.storage import writer
from pipeline.storage.reader import opened


@dataclass
class Scores:
    """Scores of one source: `values` (clips, classes), and the clips' ids and labels in its order.

    `classes` are the names of its columns, or empty where a file of another program has none.
    """

    clips: list[str]
    labels: np.ndarray
    classes: list[str]
    values: np.ndarray


def write_scores(
    path: str,
    source: str,
    rows: list[dict],
    classes: list[str],
    scores: np.ndarray,
    settings: dict,
    code: str,
    logits: np.ndarray | None = None,
) -> str:
    """Write the scores.h5 of a `source`: a stream, a direction, or 'idt'.

    `rows` are those of the index, in the order of `scores` (clips, classes). `logits`
    (clips, crops x instants, classes) are what the scores are the mean of, where there are any.
    Returns a digest, 16 hex digits, of the logits, or of the scores where there are no logits.
    """
    with writer.create(path, "scores", settings, code, source=source) as file:
        file["clips"] = [row["clip"] for row in rows]
        file["labels"] = np.array([row["label"] for row in rows])
        file["classes"] = classes
        if logits is not None:
            file.create_dataset("logits", data=logits, compression="gzip")
        file["scores"] = scores
    return hashlib.sha256(scores if logits is None else logits).hexdigest()[:16]


def read_scores(path: str) -> Scores:
    """Read a scores.h5, its values as float64.

    Raises PipelineError when the file is not a scores.h5, or holds a value that is no number.
    """
    with opened(path, "scores") as file:
        scores = Scores(
            [clip.decode() for clip in file["clips"]],
            file["labels"][...],
            [name.decode() for name in file["classes"]],
            file["scores"][...].astype(np.float64),
        )
    clips, classes, labels = len(scores.clips), len(scores.classes), scores.labels
    if (
        scores.values.shape != (clips, classes)
        or labels.shape != (clips,)
        or labels.dtype.kind not in "iu"
        or not (clips and 0 <= labels.min() <= labels.max() < classes)
    ):
        raise PipelineError(
            f"{path}: scores of shape {scores.values.shape}, {clips} clips, {classes} classes and "
            f"{len(labels.ravel())} labels do not fit together; make it again"
        )
    return require_finite(scores, path)


def require_finite(scores: Scores, path: str) -> Scores:
    """The scores of the file at `path` as they are; raises PipelineError for NaN and infinity."""
    finite = np.isfinite(scores.values).all(axis=1)  # (clips,)
    if not finite.all():
        clip = scores.clips[int(np.flatnonzero(~finite)[0])]
        raise PipelineError(
            f"{path}: the scores of clip '{clip}' are not all numbers; make it again"
        )
    return scores
