"""Losses of the networks over their training."""

import math

from pipeline.errors import PipelineError
from pipeline.report.page.found import Found, read_json_lines
from pipeline.streams import DIRECTIONS, STREAMS

STAGES = {"teacher": "teacher", "co2fi": "streams", "asyn": "asynchronous fusion"}
NAMES = {name: name.replace("-", " ") for name in (*STREAMS, *DIRECTIONS)}
# Points of a curve.
MOST_POINTS = 160
# Losses beyond it are no longer those of a training; nor are iterations.
LARGEST = 1e15


def curves(found: Found) -> list[dict]:
    """A chart for each stage of training, with a curve for each of its networks.

    Raises PipelineError where no history of losses is beside the result.
    """
    charts = [
        {"name": title, "curves": lines, "most": max(line["most"] for line in lines)}
        | {"iterations": max(line["points"][-1][0] for line in lines)}
        for stage, title in STAGES.items()
        if (lines := _curves(found, stage))
    ]
    if not charts:
        raise PipelineError("No histories of losses (*.history.jsonl) are beside this result.")
    return charts


def _curves(found: Found, stage: str) -> list[dict]:
    lines = []
    for record in found.records(stage):
        points = _points(read_json_lines(record.with_suffix(".history.jsonl")))
        if points:
            key = record.parent.name
            lines.append(
                {
                    "key": key,
                    "name": NAMES.get(key, key),
                    "points": points,
                    "last": points[-1][1],
                    "most": max(loss for _, loss in points),
                }
            )
    return lines


def _points(history: list[dict]) -> list[tuple[int, float]]:
    """Iterations and losses, up to MOST_POINTS of them, the last among them."""
    points = [
        (line["iteration"], line["loss"])
        for line in history
        if type(line.get("iteration")) is int
        and type(line.get("loss")) in (int, float)
        # NaN is not, either.
        and abs(line["loss"]) < LARGEST
        and 0 <= line["iteration"] < LARGEST
    ]
    step = max(1, math.ceil(len(points) / MOST_POINTS))
    return points[::-1][::step][::-1]
