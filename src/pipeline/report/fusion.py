"""The fusion of any score files, as lines of text."""

import numpy as np

from pipeline.errors import PipelineError
from pipeline.evaluation import fusion, metrics
from pipeline.evaluation.external_scores import _file_and_array, matched, read


def fused(files: list[str], weights: str | None, normalise: str) -> list[str]:
    """Lines with the accuracy of each of `files`, 'FILE' or 'FILE:ARRAY', and of their weighted sum, in percent.

    `weights`: numbers with commas between them; `normalise`: as of `fusion.normalise`. Raises PipelineError for files that
    do not hold the same clips.
    """
    try:
        factors = (
            [float(weight) for weight in weights.split(",")] if weights else [1.0] * len(files)
        )
    except ValueError:
        raise PipelineError(
            f"--weights {weights}: numbers with commas between them are wanted, such as 1,1.5"
        ) from None
    if len(factors) != len(files):
        raise PipelineError(
            f"--weights {weights}: {len(factors)} for {len(files)} files; give one each"
        )
    if normalise not in fusion.NORMALISATIONS:
        raise PipelineError(
            f"--normalise {normalise}: one of {', '.join(fusion.NORMALISATIONS)} is wanted"
        )
    sources = [read(*_file_and_array(file)) for file in files]
    first = max(
        range(len(sources)), key=lambda number: bool(sources[number].classes)
    )  # one that names its classes
    wanted = sources[first]
    values = []
    for file, source in zip(files, sources, strict=True):
        values.append(fusion.normalise(matched(source, wanted, file).values, normalise))
        if len(source.clips) > len(wanted.clips):
            matched(wanted, source, files[first])  # says which are missing there
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
        mean = float(np.nanmean(metrics.per_class(scores, wanted.labels)))
        lines.append(
            f"{name:{width}}  {factor:>6}  {100 * metrics.accuracy(scores, wanted.labels):8.2f}  {100 * mean:10.2f}"
        )
    return lines
