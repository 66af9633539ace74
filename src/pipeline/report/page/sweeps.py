"""Accuracy over the weights of the fusions, measured on test clips: to look at, not to choose."""

import numpy as np

from pipeline.errors import PipelineError
from pipeline.evaluation import fusion
from pipeline.report.page.found import Found
from pipeline.streams import DIRECTIONS, STREAMS

# Steps from all weight on one side to all on the other.
STEPS = 20
# What is fused, by name: the two sides, and what carries the run's own weights.
PAIRS = {"two_stream": STREAMS, "asyn": tuple(DIRECTIONS), "asyn_idt": ("asyn", "idt")}
# Names of sides, and shorter ones that fit below a chart.
SIDES = {
    "appearance-to-motion": "appearance to motion",
    "motion-to-appearance": "motion to appearance",
    "idt": "IDT",
    "asyn": "ASYN",
}
ENDS = {"appearance-to-motion": "A → M", "motion-to-appearance": "M → A"}


def sweeps(found: Found) -> list[dict]:
    """For each fusion its accuracy at STEPS + 1 weights, and the run's own weight.

    Raises PipelineError where nothing is fused.
    """
    curves = [
        _sweep(found, name, sides) for name, sides in PAIRS.items() if name in found.fused.values
    ]
    if not curves:
        raise PipelineError("Nothing is fused in this result.")
    return curves


def _sweep(found: Found, name: str, sides: tuple[str, str]) -> dict:
    needed = (*DIRECTIONS, "idt") if name == "asyn_idt" else sides
    values = {source: found.scores[source].values for source in needed}
    shares = [step / STEPS for step in range(STEPS + 1)]
    about = found.fused.about
    own = _own_share(name, sides, about)
    accuracies = [
        _accuracy(values, name, _weighted(name, sides, share, about), found.labels)
        for share in shares
    ]
    best = int(np.argmax(accuracies))
    return {
        "key": name,
        "sides": [SIDES.get(side, side) for side in sides],
        "ends": [ENDS.get(side, SIDES.get(side, side)) for side in sides],
        "points": list(zip(shares, accuracies, strict=True)),
        "own": own,
        "own_accuracy": found.result["accuracy"][name],
        "best": shares[best],
        "best_accuracy": accuracies[best],
        "low": min(accuracies),
        "high": max(accuracies),
    }


def _accuracy(values: dict, name: str, about: dict, labels: np.ndarray) -> float:
    fused = fusion.fuse_stated(values, about).values[name]
    # Of equal scores the class with the smaller number counts, as in `metrics.accuracy`.
    return float((fused.argmax(axis=1) == labels).mean())


def _own_share(name: str, sides: tuple[str, str], about: dict) -> float:
    """The share of the weight that the second side has in the run."""
    if name == "asyn_idt":
        return about["idt"]["weight"]
    first, second = (about["weights"][side] for side in sides)
    return second / (first + second)


def _weighted(name: str, sides: tuple[str, str], share: float, about: dict) -> dict:
    """How scores are fused where the second side has a `share` of the weight."""
    if name == "asyn_idt":
        return about | {"idt": about["idt"] | {"weight": share}}
    return about | {"weights": about["weights"] | dict(zip(sides, (1 - share, share), strict=True))}
