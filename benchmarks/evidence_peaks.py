"""Asynchrony of real clips: how far apart both streams' evidence peaks, and what that is worth."""

from dataclasses import dataclass

import numpy as np
from evidence_parts import Part, gains
from evidence_rows import COMPLETE, OFFSETS

from pipeline.evaluation.comparison import bootstrap, percentiles, resampled_means

Share = tuple[float, tuple[float, float], int]


@dataclass(frozen=True)
class Offsets:
    """Frames from the peak of appearance to that of motion, one for each clip, fold and seed.

    `independent` are those of all clips' appearance with every other clip's motion, brought to the
    same length: what offsets were if the streams knew nothing of one another.
    """

    values: np.ndarray
    independent: np.ndarray
    delta: int

    @property
    def independent_mean(self) -> float:
        return float(np.abs(self.independent).mean())


def offsets(parts: list[Part], variant: str) -> Offsets | None:
    """The offsets of a variant's streams; None where no part has followed them."""
    told = [(part, part.content["evidence"].get(variant)) for part in parts]
    told = [(part, evidence) for part, evidence in told if evidence]
    if not told:
        return None
    values = [_offsets_of(evidence) for _, evidence in told]
    independent = [_independent(evidence) for _, evidence in told]
    return Offsets(
        np.concatenate(values), np.concatenate(independent), delta(part for part, _ in told)
    )


def delta(parts) -> int:
    """The frames between two instants of a period, from which on peaks count as far apart."""
    for part in parts:
        if COMPLETE in part.content["settings"]:
            return max(1, part.content["settings"][COMPLETE]["period"]["delta"])
    return 5


def _offsets_of(evidence: dict) -> np.ndarray:
    return np.subtract(evidence["peaks"]["motion"], evidence["peaks"]["appearance"])


def _independent(evidence: dict) -> np.ndarray:
    """(clips (clips - 1),) offsets of each clip's appearance to the motion of all others."""
    appearance, motion = (np.array(evidence["peaks"][name]) for name in ("appearance", "motion"))
    # The first and the last instant at which a clip is scored.
    first = np.array([instants[0] for instants in evidence["instants"]])
    length = np.array([instants[-1] - instants[0] for instants in evidence["instants"]])
    share = (motion - first) / np.maximum(length, 1)
    # Row: a clip's appearance; column: the clip whose motion it is set against.
    apart = first[:, None] + share[None, :] * length[:, None] - appearance[:, None]
    return apart[~np.eye(len(apart), dtype=bool)]


@dataclass(frozen=True)
class OffsetGain:
    """What one prediction gains on another: mean, interval and clips of those whose streams peak
    far apart and of the rest, and how much more it is of the former.
    """

    name: str
    far: Share
    near: Share
    mean: float
    interval: tuple[float, float]


def offset_gains(parts: list[Part]) -> list[OffsetGain]:
    """The gains of all comparisons of OFFSETS that have clips of both kinds.

    A clip counts as far apart where the distance of both peaks is D frames or more, by the mean
    over seeds.
    """
    found = []
    for variant, name, better, worse in OFFSETS:
        values, far = [], []
        for split, rows in gains(parts, better, worse).items():
            distances = [
                np.abs(_offsets_of(part.content["evidence"][variant]))
                for part in parts
                if part.split == split and variant in part.content["evidence"]
            ]
            if distances:
                values.append(rows.mean(axis=0))
                far.append(np.mean(distances, axis=0) >= delta(parts))
        if not values:
            continue
        gain, is_far = np.concatenate(values), np.concatenate(far)
        if is_far.any() and not is_far.all():
            # Two sets of clips, each drawn by itself.
            apart = resampled_means(gain[is_far], seed=1) - resampled_means(gain[~is_far], seed=2)
            mean = float(gain[is_far].mean() - gain[~is_far].mean())
            both = (_share(gain[is_far]), _share(gain[~is_far]))
            found.append(OffsetGain(name, *both, mean, percentiles(apart)))
    return found


def _share(values: np.ndarray) -> Share:
    return float(values.mean()), bootstrap(values), len(values)
