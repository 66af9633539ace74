"""Late fusion: scores of several sources, brought to one order and one scale, and added."""

import numpy as np
from scipy.special import softmax

from pipeline.errors import PipelineError, listed
from pipeline.evaluation.score_files import Scores
from pipeline.streams import DIRECTIONS, STREAMS

NORMALISATIONS = ("none", "l2", "softmax")


def align(sources: dict[str, Scores]) -> dict[str, Scores]:
    """The sources with their rows in the order of the first one's, matched by clip id.

    Raises PipelineError that lists the clips which are missing, doubled, or of another class in
    one of them.
    """
    first_name, first = next(iter(sources.items()))
    aligned = {}
    for name, source in sources.items():
        row_of_clip = {clip: row for row, clip in enumerate(source.clips)}
        if len(row_of_clip) != len(source.clips):
            doubled = sorted({clip for clip in source.clips if source.clips.count(clip) > 1})
            raise PipelineError(
                f"scores of {name}: clips stand twice: {listed(doubled)}; keep one row each"
            )
        different = sorted(set(row_of_clip) ^ set(first.clips))
        if different:
            raise PipelineError(
                f"scores of {name} and of {first_name} are not of the same clips: "
                f"{listed(different)}; make both for the same split"
            )
        if source.classes != first.classes:
            raise PipelineError(
                f"scores of {name} and of {first_name} have different classes, or another order of "
                "them; make both from the same lists"
            )
        order = np.array([row_of_clip[clip] for clip in first.clips])
        labels = source.labels[order]
        disagreeing = np.flatnonzero(labels != first.labels)
        if len(disagreeing):
            raise PipelineError(
                f"scores of {name} and of {first_name} disagree on the true class of clip "
                f"'{first.clips[disagreeing[0]]}'; make both from the same lists"
            )
        aligned[name] = Scores(first.clips, labels, source.classes, source.values[order])
    return aligned


def fuse(sources: dict[str, Scores], settings: dict) -> tuple[dict[str, np.ndarray], str]:
    """The scores (clips, classes) of a run's streams and of all their fusions, and the headline.

    `sources` are aligned; `settings` is the section `fusion` of the config. 'two_stream' is the
    sum of both streams, 'asyn' that of both directions of the asynchronous network, 'asyn_idt'
    the latter with trajectories. The headline is the name of the result that counts.
    """
    weights, idt = settings["weights"], settings["idt"]
    fused = {name: sources[name].values for name in STREAMS if name in sources}
    for name, parts in (("two_stream", STREAMS), ("asyn", DIRECTIONS)):
        if set(parts) <= set(sources):
            fused[name] = combine(
                [sources[part].values for part in parts], [weights[part] for part in parts]
            )
    if "idt" in sources:
        fused["idt"] = sources["idt"].values
        both = [normalise(fused[name], idt["normalise"]) for name in ("asyn", "idt")]
        fused["asyn_idt"] = combine(both, [1 - idt["weight"], idt["weight"]])
    return fused, "asyn" if "asyn" in fused else "two_stream"


def combine(values: list[np.ndarray], weights: list[float]) -> np.ndarray:
    """The weighted sum of (clips, classes) scores.

    The paper adds predictions, and the class with the largest sum wins (section 5.3).
    """
    return sum(weight * value for weight, value in zip(weights, values, strict=True))


def normalise(values: np.ndarray, how: str) -> np.ndarray:
    """(clips, classes) scores on a scale that other sources have, too, clip by clip.

    'l2' divides them by their norm where it is not 0; 'softmax' makes them probabilities; 'none'
    leaves them as they are.
    """
    if how == "l2":
        norms = np.linalg.norm(values, axis=1, keepdims=True)  # (clips, 1)
        return values / np.where(norms > 0, norms, 1)
    if how == "softmax":
        return softmax(values, axis=1)
    return values
