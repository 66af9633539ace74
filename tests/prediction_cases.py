"""Predictions of few classes, without any network."""

from pathlib import Path

import numpy as np

from pipeline.inference.trained import Trained
from pipeline.inference.video import Window
from pipeline.report.prediction import Prediction
from pipeline.streams import STREAMS

CLASSES = ("run", "jump", "wave")
# Frames of a window; there are ten in a second.
FRAMES = 10


def window(scores: dict, first: int = 0, centres=(2, 7)) -> Window:
    """A window with `scores` by source, the same at all its `centres`."""
    values = {name: np.array(of_source, np.float32) for name, of_source in scores.items()}
    over_time = {name: np.stack([v] * len(centres)) for name, v in values.items()}
    frame = np.full((24, 32, 3), first % 256, np.uint8)
    # A still video.
    picture = frame, np.full((2, 24, 32), 128, np.uint8)
    return Window(first, FRAMES, values, np.array(centres), over_time, {first: picture})


def prediction(
    windows: list[Window],
    rule: str = "standardised",
    space: str = "logits",
    classes=CLASSES,
    parts=STREAMS,
    fused: str = "two_stream",
) -> Prediction:
    """What a run of two streams, or of other `parts`, says of these windows."""
    shares = dict.fromkeys((*parts, fused), 0.5)
    result = {"set": "six", "split": "split1", "headline": fused, "clips": 20}
    trained = Trained(
        result | {"classes": len(classes), "accuracy": shares, "mean_class_accuracy": shares},
        {"scores": {"space": space}, "flow": {"bound": 20.0}},
        list(classes),
        dict.fromkeys(parts),
        None,
        {
            "rule": rule,
            "weights": dict.fromkeys(parts, 1),
            "spreads": dict(zip(parts, (2.0, 4.0), strict=True)),
        },
        frozenset(),
        {},
    )
    return Prediction(
        trained, Path("clip.avi"), FRAMES * len(windows), 10.0, 320, 240, windows, 1.5, []
    )
