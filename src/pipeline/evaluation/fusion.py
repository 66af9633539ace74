"""Late fusion: bring the scores of sources to one order and scale, and add them."""

import numpy as np

from pipeline.errors import PipelineError
from pipeline.evaluation.score_files import Scores

NORMALISATIONS = ("none", "l2", "softmax")


def align(sources: dict[str, Scores]) -> dict[str, Scores]:
    """The sources with their rows in the order of the first: matched by clip, never by place.

    Raises PipelineError that lists clips which are missing, doubled, or of another class in one of them.
    """
    first_name, first = next(iter(sources.items()))
    aligned = {}
    for name, source in sources.items():
        place = {clip: number for number, clip in enumerate(source.clips)}
        if len(place) != len(source.clips):
            doubled = sorted({clip for clip in source.clips if source.clips.count(clip) > 1})
            raise PipelineError(
                f"scores of {name}: clips stand twice: {', '.join(doubled)}; keep one row each"
            )
        different = sorted(set(place) ^ set(first.clips))
        if different:
            raise PipelineError(
                f"scores of {name} and of {first_name} are not of the same clips: {', '.join(different)}; "
                "make both for the same split"
            )
        if source.classes != first.classes:
            raise PipelineError(
                f"scores of {name} and of {first_name} have different classes, or another order of them; "
                "make both from the same lists"
            )
        order = np.array([place[clip] for clip in first.clips])
        aligned[name] = Scores(
            first.clips, source.labels[order], source.classes, source.values[order]
        )
        differ = np.flatnonzero(aligned[name].labels != first.labels)
        if len(differ):
            raise PipelineError(
                f"scores of {name} and of {first_name} disagree on the true class of clip "
                f"'{first.clips[differ[0]]}'; make both from the same lists"
            )
    return aligned


def combine(values: list[np.ndarray], weights: list[float]) -> np.ndarray:
    """The weighted sum of (clips, classes) scores: the paper adds predictions and takes the largest."""
    return sum(weight * value for weight, value in zip(weights, values, strict=True))


def normalise(values: np.ndarray, how: str) -> np.ndarray:
    """(clips, classes) scores made comparable with others', clip by clip.

    'l2': over their norm, where it is not 0; 'softmax': as probabilities; 'none': as they are.
    """
    if how == "l2":
        norms = np.linalg.norm(values, axis=1, keepdims=True)
        return values / np.where(norms > 0, norms, 1)
    if how == "softmax":
        shares = np.exp(values - values.max(axis=1, keepdims=True))
        return shares / shares.sum(axis=1, keepdims=True)
    return values
