"""Clips whose streams peak furthest apart, as in the paper's Figure 6."""

import json
from dataclasses import dataclass

import numpy as np

from pipeline.data.crops import CROP_COUNTS
from pipeline.data.instants import count_stack_starts, scored_instants
from pipeline.errors import PipelineError
from pipeline.report.flow_colours import LEAST_MOTION, colour
from pipeline.report.layout import visible
from pipeline.report.measures import displacement
from pipeline.report.page.found import Found
from pipeline.report.page.images import data_uri
from pipeline.report.text import NAMES
from pipeline.storage import attributes, decoding, reader
from pipeline.storage.reader import opened
from pipeline.streams import STREAMS

# Instants of which frames and flow are shown, and pixels across of each picture.
SHOWN, WIDTH = 6, 132
# Sources whose answer is told beside a clip.
TOLD = ("two_stream", "asyn", "idt", "asyn_idt")


@dataclass(frozen=True)
class Curve:
    """The evidence (n,) of a stream for the true class of a clip, at its instants (n,)."""

    instants: np.ndarray
    evidence: np.ndarray

    @property
    def peak(self) -> int:
        """The instant at which it is largest; of equal ones the first."""
        return int(self.instants[self.evidence.argmax()])


def gallery(found: Found, most: int) -> dict:
    """Up to `most` clips with their curves, peaks, and frames and flow where they are at hand.

    Evidence is the logit of the true class less the mean of all others', over its standard
    deviation. Raises PipelineError where the streams have no logits over time.
    """
    if not set(STREAMS) <= found.scores.keys():
        raise PipelineError(
            "The networks of both streams are those of another run, so their evidence over time is "
            "not part of this result."
        )
    if len(found.classes) < 2:
        raise PipelineError("Of one class there is no evidence against others.")
    curves = {stream: _curves(found, stream) for stream in STREAMS}
    distances = np.array([abs(a.peak - b.peak) for a, b in zip(*curves.values(), strict=True)])
    if not distances.any():
        raise PipelineError("Both streams peak at the same instant in every clip.")
    # Of equal distances those first that asynchronous fusion mends.
    order = np.lexsort((~_mended(found), -distances))[:most]
    # Two instants of synchronous fusion are none apart.
    delta = max(1, found.config["period"]["delta"])
    return {
        "clips": [_entry(found, int(number), curves) for number in order if distances[number]],
        "far": int((distances >= delta).sum()),
        "delta": delta,
        "of": len(distances),
        "mean": float(distances.mean()),
    }


def _mended(found: Found) -> np.ndarray:
    values = found.fused.values
    if not {"asyn", "two_stream"} <= values.keys():
        return np.zeros(len(found.labels), bool)
    right = {name: values[name].argmax(axis=1) == found.labels for name in ("asyn", "two_stream")}
    return right["asyn"] & ~right["two_stream"]


def _curves(found: Found, stream: str) -> list[Curve]:
    """The evidence of a stream for every test clip, in the order of the scores."""
    path = next(r.with_suffix(".h5") for r in found.records("scores") if r.parent.name == stream)
    with opened(path, "scores") as file:
        if "logits" not in file:
            raise PipelineError("The score files have no logits over time.")
        clips = [clip.decode() for clip in file["clips"]]
        logits = file["logits"][...]
    if not np.isfinite(logits).all():
        raise PipelineError("The logits over time are not all numbers.")
    config = found.config
    crops = CROP_COUNTS[config["scores"].get("crops", "centre")]
    # (clips, crops instants, classes) -> (clips, instants, classes)
    logits = logits.reshape(len(clips), crops, -1, logits.shape[2]).mean(axis=1)
    order = {clip: row for row, clip in enumerate(clips)}
    logits = logits[[order[clip] for clip in found.clips]]
    true = np.take_along_axis(logits, found.labels[:, None, None], axis=2)[..., 0]
    others = (logits.sum(axis=2, dtype=float) - true) / (logits.shape[2] - 1)
    evidence = true - others  # (clips, instants)
    evidence /= evidence.std() or 1
    curves = []
    for row, of_clip in zip(found.rows, evidence, strict=True):
        # The last instant at which a frame and a stack begin.
        last = count_stack_starts(row["frames"] - 1, config["stack"]) - 1
        snippets = config["scores"].get("snippets", 0)
        _, instants = scored_instants(last, config["period"], snippets)
        # Periods overlap: the same instant has the same logits.
        distinct, first = np.unique(instants.reshape(-1), return_index=True)
        if first.max() >= len(of_clip):
            raise PipelineError("The score files are of other instants than this result says.")
        curves.append(Curve(distinct, of_clip[first]))
    return curves


def _entry(found: Found, number: int, curves: dict[str, list[Curve]]) -> dict:
    """What is shown of a clip."""
    own = {stream: curves[stream][number] for stream in STREAMS}
    instants = own[STREAMS[0]].instants
    peaks = {stream: curve.peak for stream, curve in own.items()}
    values, label = found.fused.values, int(found.labels[number])
    answers = []
    for source in TOLD:
        if source in values:
            predicted = int(values[source][number].argmax())
            answers.append(
                {
                    "key": source,
                    "name": NAMES[source],
                    "class": visible(found.classes[predicted]),
                    "right": predicted == label,
                }
            )
    lowest = min(curve.evidence.min() for curve in own.values())
    highest = max(curve.evidence.max() for curve in own.values())
    return {
        "clip": visible(found.clips[number]),
        "class": visible(found.classes[label]),
        "peaks": peaks,
        "distance": abs(peaks["motion"] - peaks["appearance"]),
        "first": int(instants[0]),
        "last": int(instants[-1]),
        "low": min(float(lowest), 0.0),
        "high": max(float(highest), 0.0),
        "curves": {
            stream: list(zip(curve.instants.tolist(), curve.evidence.tolist(), strict=True))
            for stream, curve in own.items()
        },
        "answers": answers,
        "pictures": _pictures(found, found.rows[number], instants, set(peaks.values())),
    }


def _pictures(found: Found, row: dict, instants: np.ndarray, peaks: set[int]) -> list[dict]:
    """Frames and flow at some instants, the peaks among them; none where they are not at hand."""
    spread = np.linspace(0, len(instants) - 1, min(SHOWN, len(instants))).round().astype(int)
    others = [number for number in instants[spread].tolist() if number not in peaks]
    # The peaks take the place of those between them.
    between = others[1:-1] if len(others) > 2 else others
    dropped = set(between[: max(0, len(others) + len(peaks) - SHOWN)])
    numbers = sorted(peaks | set(others) - dropped)
    try:
        frames = reader.Shards(found.set_folder / "frames", "frames").dataset(row)
        pictures = [
            {"instant": number, "frame": data_uri(pixels, WIDTH)}
            for number, pixels in zip(numbers, decoding.read(frames, numbers), strict=True)
        ]
    except PipelineError:
        return []
    try:
        fields = _fields(found, row, numbers)
    except PipelineError:
        return pictures
    return [
        picture | {"flow": data_uri(field, WIDTH)}
        for picture, field in zip(pictures, fields, strict=True)
    ]


def _fields(found: Found, row: dict, numbers: list[int]) -> list[np.ndarray]:
    """The flow fields at some instants in colour, all on one scale."""
    dataset = reader.Shards(found.set_folder / "flow", "flow").dataset(row)
    bound = json.loads(attributes.read(dataset.file)["settings"])["flow"]["bound"]
    fields = [displacement(codes, bound) for codes in decoding.read(dataset, numbers)]
    lengths = np.hypot(*np.stack(fields, axis=1))
    scale = max(float(np.quantile(lengths, 0.99)), LEAST_MOTION)
    return [np.rint(255 * colour(field, scale)).astype(np.uint8) for field in fields]
