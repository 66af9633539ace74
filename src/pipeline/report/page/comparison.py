"""Several results side by side: accuracies, what one has over another, and means."""

from collections import defaultdict
from statistics import fmean, stdev

import numpy as np

from pipeline.errors import PipelineError
from pipeline.evaluation import fusion
from pipeline.evaluation.comparison import bootstrap, holm, mcnemar
from pipeline.evaluation.intervals import wilson
from pipeline.evaluation.score_files import Scores
from pipeline.report.layout import visible
from pipeline.report.page.found import Found
from pipeline.report.text import NAMES


def compare(founds: list[Found], names: list[str]) -> dict:
    """Accuracies of all results, the paired differences to the first, means, and classes.

    `names` are those of the results; where all are of one split the variant and the seed suffice.
    """
    names = _short_names(founds) or names
    pairs, unpaired = _pairs(founds, names)
    return {
        "names": names,
        "sources": _sources(founds, names),
        "pairs": pairs,
        "unpaired": unpaired,
        "means": _means(founds),
        "classes": _classes(founds),
    }


def _short_names(founds: list[Found]) -> list[str]:
    """'complete', 'baseline', 'baseline, seed 2'; none where these do not tell results apart."""
    names = [
        found.run.variant + ("" if found.run.seed is None else f", seed {found.run.seed}")
        for found in founds
    ]
    of = {(found.result["set"], found.run.split) for found in founds}
    return names if len(of) == 1 and len(set(names)) == len(names) else []


def _sources(founds: list[Found], names: list[str]) -> list[dict]:
    """By source the results that have it, each with its interval."""
    keys = [key for key in NAMES if any(key in found.sources for found in founds)]
    return [
        {
            "key": key,
            "name": NAMES[key],
            "rows": [
                {
                    "number": number,
                    "name": name,
                    "share": (share := found.result["accuracy"][key]),
                    "interval": wilson(share, found.result["clips"]),
                    "is_headline": key == found.headline,
                }
                for number, (found, name) in enumerate(zip(founds, names, strict=True))
                if key in found.sources
            ],
        }
        for key in keys
    ]


def _pairs(founds: list[Found], names: list[str]) -> tuple[list[dict], list[str]]:
    """What each result's headline has over that of the first, and why others cannot be paired."""
    first, pairs, unpaired = founds[0], [], []
    for found, name in zip(founds[1:], names[1:], strict=True):
        try:
            gain = _gain(first, found)
        except PipelineError:
            unpaired.append(name)
            continue
        low, high = bootstrap(gain)
        pairs.append(
            {
                "name": name,
                "gain": float(gain.mean()),
                "interval": (low, high),
                "only_this": int((gain > 0).sum()),
                "only_first": int((gain < 0).sum()),
                "p": mcnemar(gain > 0, gain < 0),
            }
        )
    for pair, corrected in zip(pairs, holm([pair["p"] for pair in pairs]), strict=True):
        pair["corrected"] = corrected
    return pairs, unpaired


def _gain(first: Found, found: Found) -> np.ndarray:
    """(clips,): 1 where `found` alone is right, -1 where `first` alone is.

    Raises PipelineError where they are not of the same clips and classes, or have no scores.
    """
    both = fusion.align(
        {
            str(number): Scores(one.clips, one.labels, one.classes, one.fused.values[one.headline])
            for number, one in enumerate((first, found))
        }
    )
    right = [scores.values.argmax(axis=1) == scores.labels for scores in both.values()]
    return right[1].astype(int) - right[0]


def _means(founds: list[Found]) -> list[dict]:
    """Means over the splits and seeds of one variant on one set, where there are several."""
    together = defaultdict(list)
    for found in founds:
        together[found.result["set"], found.run.variant].append(found)
    means = []
    for (name, variant), members in together.items():
        # The same run twice, as of two folders, is neither another split nor another seed.
        if len(members) < 2 or len({_part(found) for found in members}) < len(members):
            continue
        for source in members[0].sources:
            shares = [
                found.result["accuracy"][source] for found in members if source in found.sources
            ]
            if len(shares) == len(members):
                means.append(
                    {
                        "name": visible(f"{name}, {variant}"),
                        "of": ", ".join(_part(found) for found in members),
                        "key": source,
                        "source": NAMES.get(source, source),
                        "mean": fmean(shares),
                        "deviation": stdev(shares),
                    }
                )
    return means


def _part(found: Found) -> str:
    return f"{found.run.split}{'' if found.run.seed is None else f' seed {found.run.seed}'}"


def _classes(founds: list[Found]) -> list[dict]:
    """By class the accuracy of each result's headline; none where the classes are not the same."""
    by_class = [found.result.get("per_class") or {} for found in founds]
    if any(list(entries) != list(by_class[0]) for entries in by_class) or not by_class[0]:
        return []
    return [
        {
            "name": visible(name),
            "clips": by_class[0][name]["clips"],
            "shares": [
                entries[name][found.headline]
                for found, entries in zip(founds, by_class, strict=True)
            ],
        }
        for name in by_class[0]
    ]
