"""Late fusion: scores of several sources, brought to one order and one scale, and added.

By the rule 'standardised' the scores of a source, logits or decision values, are taken from their
mean over the classes, clip by clip, and divided by one number, their spread over all clips. So all
sources have the same spread, and within a source a clip that it is sure of counts more. The rule
'paper' adds probabilities.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import softmax

from pipeline.errors import PipelineError, listed
from pipeline.evaluation.score_files import Scores
from pipeline.streams import DIRECTIONS, STREAMS

NORMALISATIONS = ("none", "l2", "softmax", "standardised")
# What is done to the scores of streams and directions by each rule before they are added.
_SCALES = {"standardised": "standardised", "paper": "none"}


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
            raise PipelineError.of_names(
                f"scores of {name}: clips stand twice: {listed(doubled)}; keep one row each",
                doubled,
            )
        different = sorted(set(row_of_clip) ^ set(first.clips))
        if different:
            raise PipelineError.of_names(
                f"scores of {name} and of {first_name} are not of the same clips: "
                f"{len(different):,} are in one of them only, {listed(different)}; make both for "
                "the same split",
                different,
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


@dataclass
class Fused:
    """What a run's sources and their fusions say of its clips.

    Attributes:
        values: (clips, classes) scores by the name of a source or a fusion.
        headline: the name of the result that counts.
        about: the rule, the weights and the spreads, as the result states them.
    """

    values: dict[str, np.ndarray]
    headline: str
    about: dict


def fuse(sources: dict[str, Scores], settings: dict) -> Fused:
    """Fuse a run's streams, directions and trajectories.

    `sources` are aligned; `settings` is the section `fusion` of the config. 'two_stream' is the
    sum of both streams, 'asyn' that of both directions of the asynchronous network, 'asyn_idt'
    the latter with trajectories.
    """
    idt = settings["idt"]
    standardised = settings["rule"] == "standardised"
    about = {"rule": settings["rule"], "weights": dict(settings["weights"])}
    if standardised:
        about["spreads"] = {name: spread(source.values) for name, source in sources.items()}
    if "idt" in sources:
        about["idt"] = {
            "weight": idt["weight"],
            "normalise": "standardised" if standardised else idt["normalise"],
        }
    values = {name: source.values for name, source in sources.items()}
    if standardised and "idt" in sources:
        about["spreads"]["asyn"] = spread(_fuse_networks(values, about)["asyn"])
    return fuse_stated(values, about)


def fuse_stated(values: dict[str, np.ndarray], about: dict) -> Fused:
    """Fuse (clips, classes) scores of any clips, by source, as a result states it.

    `about` has the rule, the weights and the spreads of a result, which were measured over its test
    clips: a clip that is fused alone has the scores that it had among them.
    """
    fused = _fuse_networks(values, about)
    fused |= _fuse_idt(fused, values, about)
    return Fused(fused, "asyn" if "asyn" in fused else "two_stream", about)


def _fuse_networks(values: dict[str, np.ndarray], about: dict) -> dict[str, np.ndarray]:
    """The scores of the streams, and the sums of streams and of directions, where all are there."""
    fused = {name: values[name] for name in STREAMS if name in values}
    for name, parts in (("two_stream", STREAMS), ("asyn", DIRECTIONS)):
        if set(parts) <= set(values):
            fused[name] = combine(
                [_scaled(values[part], part, _SCALES[about["rule"]], about) for part in parts],
                [about["weights"][part] for part in parts],
            )
    return fused


def _fuse_idt(
    fused: dict[str, np.ndarray], values: dict[str, np.ndarray], about: dict
) -> dict[str, np.ndarray]:
    """The scores by trajectories, and their sum with asynchronous fusion; nothing without any."""
    if "idt" not in values:
        return {}
    how, weight = about["idt"]["normalise"], about["idt"]["weight"]
    parts = {"asyn": fused["asyn"], "idt": values["idt"]}
    both = [_scaled(part, name, how, about) for name, part in parts.items()]
    return {"idt": values["idt"], "asyn_idt": combine(both, [1 - weight, weight])}


def _scaled(values: np.ndarray, name: str, how: str, about: dict) -> np.ndarray:
    """The scores of a source as `normalise` scales them, by its stated spread."""
    if how == "standardised":
        return _centred(values) / (about["spreads"][name] or 1)
    return normalise(values, how)


def combine(values: list[np.ndarray], weights: list[float]) -> np.ndarray:
    """The weighted sum of (clips, classes) scores.

    The paper adds predictions, and the class with the largest sum wins (section 5.3).
    """
    return sum(weight * value for weight, value in zip(weights, values, strict=True))


def normalise(values: np.ndarray, how: str) -> np.ndarray:
    """(clips, classes) scores on a scale that other sources have, too.

    Clip by clip, 'l2' divides them by their norm where it is not 0, and 'softmax' makes them
    probabilities. 'standardised' takes them from their mean over the classes, clip by clip, and
    divides them all by their spread. 'none' leaves them as they are.
    """
    if how == "l2":
        norms = np.linalg.norm(values, axis=1, keepdims=True)  # (clips, 1)
        return values / np.where(norms > 0, norms, 1)
    if how == "softmax":
        return softmax(values, axis=1)
    if how == "standardised":
        return _centred(values) / (spread(values) or 1)
    return values


def spread(values: np.ndarray) -> float:
    """The root mean square of (clips, classes) scores, each less its clip's mean over classes."""
    centred = _centred(values)
    # The squares of very large and very small scores are no numbers.
    largest = float(np.abs(centred).max())
    return largest * float(np.sqrt(np.mean((centred / largest) ** 2))) if largest else 0.0


def _centred(values: np.ndarray) -> np.ndarray:
    # First from the lowest: the mean of equal scores need not equal them to the last bit.
    above = values - values.min(axis=1, keepdims=True)
    return above - above.mean(axis=1, keepdims=True)
