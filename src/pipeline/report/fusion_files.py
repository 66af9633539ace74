"""The fusion of score files as a JSON file, or as a CSV table of its clips."""

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from pipeline.errors import PipelineError
from pipeline.evaluation.intervals import wilson
from pipeline.files import replacing
from pipeline.report.fusion import Comparison, Fusion, accuracies

# Digits of probabilities.
DIGITS = 6


def check_out(out: Path, files: list[str]) -> None:
    """Refuse a file that cannot be written, or that is one of the score files; nothing is read."""
    if out.suffix.lower() not in WRITERS:
        raise PipelineError(
            f"{out}: what is written is JSON or CSV; let the name end in one of them"
        )
    if out.is_dir():
        raise PipelineError(f"{out}: this is a folder; name a file to write")
    if any(Path(file).absolute() == out.absolute() for file in files):
        raise PipelineError(f"{out}: this is a file of scores; name another file to write")


def write(out: Path, found: Fusion, comparison: Comparison | None) -> None:
    """Write a fusion as the ending of a file says; raises PipelineError where that fails."""
    text = WRITERS[out.suffix.lower()](found, comparison)
    try:
        # A folder of seals beside a user's own file would surprise.
        with replacing(out, sealed=False) as temporary:
            temporary.write_text(text, encoding="utf-8", newline="")
    except OSError as error:
        raise PipelineError(f"{out}: it cannot be written ({error.strerror})") from error


def as_json(found: Fusion, comparison: Comparison | None) -> str:
    """All that a fusion says, but the probabilities of classes that no clip is taken for."""
    clips = len(found.clips)
    content = {
        "rule": "weighted sum",
        "normalise": found.normalise,
        "files": found.files,
        "weights": found.weights,
        "clips": clips,
        "classes": found.classes,
        "accuracy": {
            name: {
                "accuracy": share,
                "interval": list(wilson(share, clips)),
                "mean_class_accuracy": mean,
            }
            for name, (share, mean) in accuracies(found).items()
        },
    }
    if comparison:
        content["compared"] = {
            "columns": comparison.names,
            "gain": comparison.gain,
            "interval": comparison.interval,
            "right_alone": comparison.only,
            "p": comparison.p,
        }
    content["predictions"] = [
        {"clip": clip, "true": true, "predicted": predicted, "probability": max(shares)}
        for clip, true, predicted, shares in _rows(found)
    ]
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def as_csv(found: Fusion, _: Comparison | None = None) -> str:
    """A table of the clips: the true class, the one that each column predicts, and the probability
    of each class by the sum. The rule and the weights stand in each row.
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    weights = ",".join(f"{weight:g}" for weight in found.weights)
    writer.writerow(
        ["clip", "true", *(f"predicted by {name}" for name in found.columns)]
        + [f"probability of {name}" for name in found.classes]
        + ["normalise", "weights"]
    )
    for clip, true, predicted, shares in _rows(found):
        writer.writerow([clip, true, *predicted.values(), *shares, found.normalise, weights])
    return text.getvalue()


WRITERS = {".json": as_json, ".csv": as_csv}


def _rows(found: Fusion) -> Iterator[tuple[str, str, dict[str, str], list[float]]]:
    """Of each clip its id, its true class, the predicted ones by column, and the probabilities."""
    predicted = np.stack([np.argmax(scores, axis=1) for scores in found.columns.values()], axis=1)
    shares = found.probabilities.round(DIGITS).tolist()
    for clip, label, numbers, of_clip in zip(
        found.clips, found.labels, predicted, shares, strict=True
    ):
        names = (found.classes[number] for number in numbers)
        by_column = dict(zip(found.columns, names, strict=True))
        yield clip, found.classes[label], by_column, of_clip
