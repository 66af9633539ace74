"""The fusion of any score files, as lines of text."""

import math

from pipeline.errors import PipelineError
from pipeline.evaluation import fusion, metrics
from pipeline.evaluation.external_scores import read, split_array_name
from pipeline.evaluation.matching import match_scores

LARGEST_WEIGHT = 1e100


def fusion_lines(files: list[str], weights: str | None, normalise: str) -> list[str]:
    """The accuracy in percent of each of `files` and of their weighted sum, a line each.

    `files` are 'FILE' or 'FILE:ARRAY'; `weights` numbers with commas between them, by default 1
    for each file; `normalise` one of `fusion.NORMALISATIONS`. Raises PipelineError for files that
    do not hold the same clips.
    """
    factors = _parse_weights(weights, len(files))
    if normalise not in fusion.NORMALISATIONS:
        raise PipelineError(
            f"--normalise {normalise}: one of {', '.join(fusion.NORMALISATIONS)} is wanted"
        )
    sources = [read(*split_array_name(file)) for file in files]
    # All are brought to the order of the first file that names its classes.
    first = max(range(len(sources)), key=lambda number: bool(sources[number].classes))
    wanted = sources[first]
    values = []
    for file, source in zip(files, sources, strict=True):
        values.append(fusion.normalise(match_scores(source, wanted, file).values, normalise))
        # The clips that the first file lacks would be left out: raise the error that lists them.
        if len(source.clips) > len(wanted.clips):
            match_scores(wanted, source, files[first])
    rows = [
        *zip(files, [f"{factor:g}" for factor in factors], values, strict=True),
        ("fused", "", fusion.combine(values, factors)),
    ]
    width = max(len(name) for name, *_ in rows)
    lines = [
        f"{len(wanted.clips)} clips, {wanted.values.shape[1]} classes",
        f"{'':{width}}  weight  accuracy  mean class",
    ]
    for name, factor, scores in rows:
        accuracy = 100 * metrics.accuracy(scores, wanted.labels)
        mean = 100 * metrics.mean_class_accuracy(scores, wanted.labels)
        lines.append(f"{name:{width}}  {factor:>6}  {accuracy:8.2f}  {mean:10.2f}")
    return lines


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
