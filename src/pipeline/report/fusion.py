"""The fusion of any score files: its accuracies, and the comparison of two, as lines of text."""

import math
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from scipy.special import softmax

from pipeline.errors import PipelineError, nearest
from pipeline.evaluation import fusion, metrics
from pipeline.evaluation.comparison import bootstrap, mcnemar
from pipeline.evaluation.external_scores import FORMS, KINDS, read, split_array_name
from pipeline.evaluation.matching import match_scores
from pipeline.evaluation.score_files import Scores
from pipeline.report.kinds import what_is
from pipeline.report.layout import columns_of, fit
from pipeline.report.text import interval

LARGEST_WEIGHT = 1e100
# The sum of all files, where columns are named.
FUSED = "fused"
# Columns of a name, so that a line has 80.
LONGEST = 36
# How far the sum of probabilities of a clip may be from 1.
TOLERANCE = 1e-3


@dataclass
class Fusion:
    """Score files and their weighted sum, of the same clips in one order.

    Attributes:
        files: 'FILE' or 'FILE:ARRAY' of each source.
        weights: of each source.
        normalise: what makes sources alike, one of `fusion.NORMALISATIONS`.
        clips, labels, classes: ids, true classes, and the names of the columns.
        scores: (clips, classes) of each source, as its file has them.
    """

    files: list[str]
    weights: list[float]
    normalise: str
    clips: list[str]
    labels: np.ndarray
    classes: list[str]
    scores: list[np.ndarray]

    @cached_property
    def normalised(self) -> list[np.ndarray]:
        return [fusion.normalise(values, self.normalise) for values in self.scores]

    @cached_property
    def fused(self) -> np.ndarray:
        return fusion.combine(self.normalised, self.weights)

    @cached_property
    def columns(self) -> dict[str, np.ndarray]:
        """(clips, classes) by the short name of each source, as normalised, and of their sum."""
        names = _distinct([*short_names(self.files), FUSED])
        return dict(zip(names, [*self.normalised, self.fused], strict=True))

    @cached_property
    def probabilities(self) -> np.ndarray:
        """The fused scores (clips, classes) as numbers from 0 to 1 whose sum is 1.

        A weighted mean of probabilities is one. Other scores are taken as logits: their mean has
        the spread that the files' own scores have, on average, before they are normalised.
        """
        # Weights may be as large as numbers can be.
        shares = np.array(self.weights) / max(self.weights)
        mean = fusion.combine(self.normalised, (shares / shares.sum()).tolist())
        if all(_are_probabilities(values) for values in self.normalised):
            return mean
        factors = [
            fusion.spread(values) / (fusion.spread(normalised) or 1)
            for values, normalised in zip(self.scores, self.normalised, strict=True)
        ]
        return softmax(mean * (1 if self.normalise == "softmax" else np.mean(factors)), axis=1)


def _are_probabilities(values: np.ndarray) -> bool:
    return bool(values.min() >= 0 and np.allclose(values.sum(axis=1), 1, atol=TOLERANCE))


def fuse_files(files: list[str], weights: str | None, normalise: str) -> Fusion:
    """Read and fuse score files.

    `files` are 'FILE' or 'FILE:ARRAY'; `weights` numbers with commas between them, by default 1
    for each file; `normalise` one of `fusion.NORMALISATIONS`. Raises PipelineError for files that
    do not hold the same clips.
    """
    factors = _parse_weights(weights, len(files))
    if normalise not in fusion.NORMALISATIONS:
        raise PipelineError(
            f"--normalise {normalise}: one of {', '.join(fusion.NORMALISATIONS)} is wanted"
        )
    for file in files:
        _require_scores(split_array_name(file)[0])
    sources = [read(*split_array_name(file)) for file in files]
    # All are brought to the order of the first file that names its classes.
    first = max(range(len(sources)), key=lambda number: bool(sources[number].classes))
    wanted = sources[first]
    scores = [
        _matched(source, wanted, file, files[first])
        for file, source in zip(files, sources, strict=True)
    ]
    classes = wanted.classes or [str(label) for label in range(wanted.values.shape[1])]
    return Fusion(files, factors, normalise, wanted.clips, wanted.labels, classes, scores)


def _require_scores(path: str) -> None:
    """Refuse what cannot be a file of scores; one that is missing is told on reading."""
    file = Path(path)
    if file.exists() and not (file.is_file() and file.suffix.lower() in KINDS):
        raise PipelineError(f"{path}: this is {what_is(path)}; scores are read from {FORMS}")


def _matched(source: Scores, wanted: Scores, file: str, wanted_file: str) -> np.ndarray:
    """The scores of a file in the order of the clips and classes that are wanted."""
    values = match_scores(source, wanted, file, wanted_file).values
    # The clips that the other file lacks would be left out: raise the error that lists them.
    if len(source.clips) > len(wanted.clips):
        match_scores(wanted, source, wanted_file, file)
    return values


def short_names(files: list[str]) -> list[str]:
    """The files without the folders that all of them share; of one file its last folder stays."""
    folders = [os.path.dirname(file) for file in files]
    if len(files) == 1:
        return [str(Path(*Path(files[0]).parts[-2:]))]
    try:
        shared = os.path.commonpath(folders)
    except ValueError:
        # Some paths are absolute, others are not.
        shared = ""
    return [os.path.relpath(file, shared) if shared else file for file in files]


def _distinct(names: list[str]) -> list[str]:
    """Names of which no two are the same: the second 'a' is 'a (2)'."""
    return [
        name if not (before := names[:place].count(name)) else f"{name} ({before + 1})"
        for place, name in enumerate(names)
    ]


def accuracies(found: Fusion) -> dict[str, tuple[float, float]]:
    """Accuracy over clips and its mean over classes, 0 .. 1, by column."""
    return {
        name: (
            metrics.accuracy(scores, found.labels),
            metrics.mean_class_accuracy(scores, found.labels),
        )
        for name, scores in found.columns.items()
    }


def fusion_lines(found: Fusion) -> list[str]:
    """The accuracy in percent of each file and of the weighted sum, a line each, with Wilson's
    95 % intervals.
    """
    width = min(max(map(columns_of, found.columns)), LONGEST)
    lines = [
        f"{len(found.clips)} clips, {len(found.classes)} classes",
        f"{'':{width}}  weight  accuracy  95% interval  mean class",
    ]
    weights = [*(f"{weight:g}" for weight in found.weights), ""]
    for (name, (accuracy, mean)), weight in zip(accuracies(found).items(), weights, strict=True):
        lines.append(
            f"{fit(name, width)}  {weight:>6}  {100 * accuracy:8.2f}  "
            f"{interval(accuracy, len(found.clips)):>12}  {100 * mean:10.2f}"
        )
    return lines


@dataclass
class Comparison:
    """Two columns of a fusion on the same clips.

    Attributes:
        names: of the columns.
        gain: the accuracy of the first less that of the second.
        interval: the 95 % bootstrap interval of the gain.
        only: how many clips the first alone gets right, and the second alone.
        p: of McNemar's exact test.
    """

    names: tuple[str, str]
    gain: float
    interval: tuple[float, float]
    only: tuple[int, int]
    p: float


def compare(found: Fusion, names: tuple[str, str]) -> Comparison:
    """Compare two columns by McNemar's exact test, and by the bootstrap of their difference.

    A column is named as it is printed, as the file was given, by its number from 1, by its array or
    its folder where no other file has that name, or 'fused'. Raises PipelineError for other names.
    """
    one, other = (_column(found, name) for name in names)
    right = [np.argmax(found.columns[name], axis=1) == found.labels for name in (one, other)]
    gains = right[0].astype(int) - right[1].astype(int)
    low, high = bootstrap(gains)
    only = int((gains > 0).sum()), int((gains < 0).sum())
    return Comparison((one, other), float(gains.mean()), (low, high), only, mcnemar(*right))


def _column(found: Fusion, wanted: str) -> str:
    """The name of a column as it is printed."""
    names = list(found.columns)
    known = {}
    short = [split_array_name(file)[1] or Path(file).parent.name for file in found.files]
    for number, (file, name) in enumerate(zip(found.files, names, strict=False), start=1):
        if short.count(short[number - 1]) == 1:
            known[short[number - 1]] = name
        known |= {str(number): name, file: name, name: name}
    known[FUSED] = names[-1]
    if wanted not in known:
        raise PipelineError(
            f"--compare {wanted}: no column; name two of {', '.join(names)}, or their numbers"
            f"{nearest(wanted, known)}"
        )
    return known[wanted]


def comparison_lines(found: Comparison) -> list[str]:
    """A comparison in words."""
    (one, other), (low, high) = found.names, found.interval
    return [
        f"{fit(one, LONGEST).strip()} against {fit(other, LONGEST).strip()}",
        f"  {100 * found.gain:+.2f} points, 95% bootstrap interval {100 * low:+.2f} to "
        f"{100 * high:+.2f}",
        f"  right alone: {found.only[0]} and {found.only[1]} clips; McNemar's exact test: "
        f"p = {found.p:.2g}",
    ]


def _parse_weights(weights: str | None, count: int) -> list[float]:
    """The numbers of '1,1.5', which must be `count`; 1 each by default."""
    if weights is None:
        return [1.0] * count
    try:
        factors = [float(weight) for weight in weights.split(",")]
    except ValueError:
        raise PipelineError(
            f"--weights {weights}: numbers with commas between them are wanted, such as 1,1.5"
        ) from None
    if len(factors) != count:
        raise PipelineError(f"--weights {weights}: {len(factors)} for {count} files; give one each")
    # A negative weight would count the scores of a source against its own classes.
    if not all(math.isfinite(factor) and factor >= 0 for factor in factors) or not any(factors):
        raise PipelineError(
            f"--weights {weights}: finite numbers of 0 or more are wanted, at least one above 0"
        )
    # With the largest scores that a file may hold, a sum with larger weights would overflow, and
    # with smaller ones it would be zero.
    if not 1 / LARGEST_WEIGHT <= max(factors) <= LARGEST_WEIGHT:
        raise PipelineError(
            f"--weights {weights}: the largest is to be between {1 / LARGEST_WEIGHT:g} and "
            f"{LARGEST_WEIGHT:g}; only their ratios count, so scale all of them"
        )
    return factors
