"""Late fusion of score files, and the numbers that a result consists of."""

from dataclasses import dataclass

import numpy as np

from pipeline.errors import PipelineError
from pipeline.store import open_checked

NORMALISATIONS = ("none", "l2", "softmax")


@dataclass
class Scores:
    """Scores of one source: (clips, classes), and the clips' ids and labels in the same order."""

    clips: list[str]
    labels: np.ndarray
    classes: list[str]
    values: np.ndarray


def read(path: str) -> Scores:
    """Read a scores.h5. Raises PipelineError when it is none, or holds a value that is no number."""
    with open_checked(path, "scores") as file:
        scores = Scores([clip.decode() for clip in file["clips"]], file["labels"][...],
                        [name.decode() for name in file["classes"]], file["scores"][...].astype(np.float64))
    return checked(scores, path)


def checked(scores: Scores, path: str) -> Scores:
    """The scores of the file at `path`; raises PipelineError when a value is no number."""
    if not np.isfinite(scores.values).all():
        bad = scores.clips[int(np.flatnonzero(~np.isfinite(scores.values).all(axis=1))[0])]
        raise PipelineError(f"{path}: the scores of clip '{bad}' are not all numbers; make it again")
    return scores


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
            raise PipelineError(f"scores of {name}: clips stand twice: {', '.join(doubled)}; keep one row each")
        different = sorted(set(place) ^ set(first.clips))
        if different:
            raise PipelineError(f"scores of {name} and of {first_name} are not of the same clips: {', '.join(different)}; "
                                "make both for the same split")
        if source.classes != first.classes:
            raise PipelineError(f"scores of {name} and of {first_name} have different classes, or another order of them; "
                                "make both from the same lists")
        order = np.array([place[clip] for clip in first.clips])
        aligned[name] = Scores(first.clips, source.labels[order], source.classes, source.values[order])
        differ = np.flatnonzero(aligned[name].labels != first.labels)
        if len(differ):
            raise PipelineError(f"scores of {name} and of {first_name} disagree on the true class of clip "
                                f"'{first.clips[differ[0]]}'; make both from the same lists")
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


def accuracy(values: np.ndarray, labels: np.ndarray, top: int = 1) -> float:
    """Share of clips whose true class is among the `top` highest scores; equal scores count by class number."""
    ranked = np.argsort(-values, axis=1, kind="stable")[:, :top]
    return float((ranked == labels[:, None]).any(axis=1).mean())


def per_class(values: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """(classes,) accuracy of each class; NaN for one without test clips."""
    right = np.argmax(values, axis=1) == labels
    return np.array([right[labels == number].mean() if (labels == number).any() else np.nan
                     for number in range(values.shape[1])])


def confusion(values: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """(true class, predicted class) counts of clips."""
    matrix = np.zeros((values.shape[1], values.shape[1]), int)
    np.add.at(matrix, (labels, np.argmax(values, axis=1)), 1)
    return matrix


def summary(fused: dict[str, np.ndarray], labels: np.ndarray, classes: list[str], headline: str) -> dict:
    """The numbers of a result, by source: `fused` holds (clips, classes) scores each. `headline` is the source that counts.

    'accuracy' is over clips, 'mean_class_accuracy' the mean over classes that have test clips, both in 0 .. 1.
    """
    best = fused[headline]
    return {
        "clips": len(labels),
        "classes": len(classes),
        "headline": headline,
        "accuracy": {name: accuracy(values, labels) for name, values in fused.items()},
        "mean_class_accuracy": {name: float(np.nanmean(per_class(values, labels))) for name, values in fused.items()},
        "top5_accuracy": {name: accuracy(values, labels, top=5) for name, values in fused.items()},
        "per_class": {name: {"clips": int((labels == number).sum()), **{
            source: None if np.isnan(share := per_class(values, labels)[number]) else float(share)
            for source, values in fused.items()}} for number, name in enumerate(classes)},
        "confusion": {"classes": classes, "rows": "true class", "columns": f"class predicted by {headline}",
                      "matrix": confusion(best, labels).tolist()},
    }
