"""What a run says of a video: as lines of text, as JSON and as rows of a table."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from pipeline.evaluation import fusion
from pipeline.inference.trained import Trained
from pipeline.inference.video import Window
from pipeline.report import probabilities
from pipeline.report.layout import count_text, visible
from pipeline.report.text import NAMES
from pipeline.video.ffmpeg import shown

# Names of sources that a result does not have, as it fuses them.
SOURCES = NAMES | {
    "appearance-to-motion": "appearance to motion (ASYN)",
    "motion-to-appearance": "motion to appearance (ASYN)",
}
# Parts of windows that are listed, at most.
MOST_PARTS = 30
# Digits of probabilities over time, in JSON.
DIGITS = 5
FULL, PARTS_OF_BLOCK = "█", " ▏▎▍▌▋▊▉"


@dataclass
class Prediction:
    """What a `trained` run says of the video at `path`.

    frames, rate, width, height: of the video; the rate is in frames per second.
    windows: the scores of its windows; what is said of the whole video is their mean.
    seconds: that the prediction took.
    notes: what a reader must know of it.
    """

    trained: Trained
    path: Path
    frames: int
    rate: float
    width: int
    height: int
    windows: list[Window]
    seconds: float
    notes: list[str]

    @property
    def headline(self) -> str:
        return self.trained.result["headline"]

    @property
    def length(self) -> float:
        """Seconds of the video."""
        return self.frames / self.rate

    @cached_property
    def scores(self) -> dict[str, np.ndarray]:
        """(classes,) float64 by source and fusion, as a test clip has them."""
        sources = self.windows[0].scores
        means = {
            name: np.mean([window.scores[name] for window in self.windows], axis=0)
            for name in sources
        }
        fused = _fused(self.trained, {name: mean[None] for name, mean in means.items()})
        return {name: values[0] for name, values in fused.items()}

    @cached_property
    def probabilities(self) -> dict[str, np.ndarray]:
        """(classes,) by source and fusion; see `as_probabilities`."""
        return {
            name: as_probabilities(self.trained, name, values)
            for name, values in self.scores.items()
        }

    def ranked(self, name: str, top: int) -> list[tuple[str, float]]:
        """The likeliest classes by a source or fusion, and their probabilities."""
        values, classes = self.probabilities[name], self.trained.classes
        # By the scores: probabilities may be equal that these tell apart.
        order = np.argsort(-self.scores[name], kind="stable")[:top]
        return [(classes[label], float(values[label])) for label in order]

    @cached_property
    def of_windows(self) -> np.ndarray:
        """(windows, classes) probabilities by the headline."""
        sources = self.windows[0].scores
        values = {
            name: np.stack([window.scores[name] for window in self.windows]) for name in sources
        }
        fused = _fused(self.trained, values)[self.headline]
        return as_probabilities(self.trained, self.headline, fused)

    @cached_property
    def over_time(self) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """The seconds (T,) of all periods, and probabilities (T, classes) by network or sum."""
        numbers = np.concatenate([window.first + window.centres for window in self.windows])
        values = {
            name: np.concatenate([window.over_time[name] for window in self.windows])
            for name in self.windows[0].over_time
        }
        fused = _fused(self.trained, values)
        return numbers / self.rate, {
            name: as_probabilities(self.trained, name, of_name) for name, of_name in fused.items()
        }

    @property
    def pictures(self) -> dict[int, tuple[np.ndarray, np.ndarray]]:
        """Frames and fields by the number of the frame, as in Window."""
        return {number: pair for window in self.windows for number, pair in window.pictures.items()}


def running(prediction: Prediction) -> tuple[np.ndarray, str, np.ndarray]:
    """The seconds (T,), and by the sum of the networks, which is named, probabilities (T, classes).

    Trajectories are scored as a whole, so they are not part of it.
    """
    seconds, over_time = prediction.over_time
    name = "asyn" if "asyn" in over_time else "two_stream"
    return seconds, name, over_time[name]


def _fused(trained: Trained, values: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """(n, classes) float64 scores by source and fusion, of such by source."""
    precise = {name: of_source.astype(np.float64) for name, of_source in values.items()}
    return precise | fusion.fuse_stated(precise, trained.fusion).values


def as_probabilities(trained: Trained, name: str, values: np.ndarray) -> np.ndarray:
    """(.., classes) scores of a run's source or fusion as numbers from 0 to 1 whose sum is 1."""
    space = trained.settings["scores"]["space"]
    return probabilities.as_probabilities(name, values, trained.sources, space, trained.fusion)


def lines(prediction: Prediction, top: int, width: int) -> list[str]:
    """A prediction as lines of at most `width` characters."""
    length = clock(prediction.length)
    head = (
        f"{shown(prediction.path)}: {count_text(prediction.frames, 'frame')}, {length}, "
        f"{prediction.width} x {prediction.height}, in {prediction.seconds:.1f} s"
    )
    ranked = prediction.ranked(prediction.headline, top)
    sources = [name for name in SOURCES if name in prediction.scores]
    room = max(len(SOURCES[name]) for name in sources)
    name_room = min(max(len(visible(name)) for name in prediction.trained.classes), width - 30)
    found = [head, *(f"note: {note}" for note in prediction.notes)]
    found.append(f"{SOURCES[prediction.headline]} of {prediction.trained.name}")
    for name, share in ranked:
        found.append(
            f"  {_fitted(name, name_room)} {share:6.1%}  {bar(share, width - name_room - 11)}"
        )
    found.append("each source's own first")
    for source in sources:
        ((name, share),) = prediction.ranked(source, 1)
        mark = "  <- the result" if source == prediction.headline else ""
        found.append(
            f"  {SOURCES[source]:{room}} {_fitted(name, width - room - 27)} {share:6.1%}{mark}"
        )
    return [line.rstrip() for line in [*found, *_part_lines(prediction, width)]]


def _part_lines(prediction: Prediction, width: int) -> list[str]:
    """The parts of a video of several windows, each with its class."""
    if len(prediction.windows) == 1:
        return []
    parts, tenths = list(runs(prediction)), prediction.length < 60
    found = [f"over time, in windows of {prediction.windows[0].frames / prediction.rate:.1f} s"]
    for begin, end, name, share in parts[:MOST_PARTS]:
        span = f"{clock(begin, tenths)} - {clock(end, tenths)}"
        found.append(f"  {span:19} {_fitted(name, width - 31)} {share:6.1%}")
    if len(parts) > MOST_PARTS:
        found.append(f"  .. {len(parts) - MOST_PARTS} more parts; --json FILE has them all")
    return found


def runs(prediction: Prediction) -> Iterator[tuple[float, float, str, float]]:
    """Yield the parts of a video whose windows have one class: begin and end in seconds, the class,
    and its mean probability.
    """
    labels, start = prediction.of_windows.argmax(axis=1), 0
    edges = [window.first for window in prediction.windows] + [prediction.frames]
    for index, label in enumerate(labels):
        if index + 1 == len(labels) or labels[index + 1] != label:
            share = prediction.of_windows[start : index + 1, label].mean()
            name = prediction.trained.classes[label]
            begin, end = edges[start] / prediction.rate, edges[index + 1] / prediction.rate
            yield begin, end, name, float(share)
            start = index + 1


def as_dict(prediction: Prediction, top: int) -> dict:
    """A prediction as what JSON holds."""
    seconds, over_time = prediction.over_time
    return {
        "video": str(prediction.path),
        "frames": prediction.frames,
        "frames_per_second": prediction.rate,
        "width": prediction.width,
        "height": prediction.height,
        "seconds": round(prediction.length, 3),
        "took_seconds": round(prediction.seconds, 2),
        "notes": prediction.notes,
        "class": prediction.ranked(prediction.headline, 1)[0][0],
        "top": {
            name: [
                {"class": label, "probability": share}
                for label, share in prediction.ranked(name, top)
            ]
            for name in prediction.scores
        },
        "scores": {name: values.tolist() for name, values in prediction.scores.items()},
        "parts": [
            {"from": begin, "to": end, "class": name, "probability": share}
            for begin, end, name, share in runs(prediction)
        ],
        "over_time": {
            "seconds": seconds.round(3).tolist(),
            # A long video has many.
            "probabilities": {
                name: values.round(DIGITS).tolist() for name, values in over_time.items()
            },
        },
    }


def columns(trained: Trained, top: int) -> list[str]:
    """The columns of the table of predictions."""
    numbered = [f"{what}{rank}" for rank in range(1, top + 1) for what in ("class", "probability")]
    return ["video", "frames", "seconds", *numbered, *_firsts(trained), "problem"]


def table_row(prediction: Prediction, top: int) -> dict:
    """The row of a prediction in the table."""
    row = {
        "video": shown(prediction.path),
        "frames": prediction.frames,
        "seconds": f"{prediction.length:.2f}",
        "problem": "",
    }
    for rank, (name, share) in enumerate(prediction.ranked(prediction.headline, top), start=1):
        row |= {f"class{rank}": name, f"probability{rank}": f"{share:.4f}"}
    return row | {name: prediction.ranked(name, 1)[0][0] for name in _firsts(prediction.trained)}


def _firsts(trained: Trained) -> list[str]:
    """The sources and fusions whose first class is a column."""
    one = {name: np.zeros((1, len(trained.classes))) for name in trained.sources}
    return [name for name in SOURCES if name in _fused(trained, one)]


def document(trained: Trained, predictions: list[dict]) -> str:
    """The text of a JSON file of predictions."""
    found = {"run": trained.result, "classes": trained.classes, "videos": predictions}
    return json.dumps(found, indent=1) + "\n"


def bar(share: float, room: int) -> str:
    """A bar of up to `room` characters for a share from 0 to 1, to an eighth of a character."""
    eighths = round(8 * room * min(max(share, 0), 1))
    return (FULL * (eighths // 8) + PARTS_OF_BLOCK[eighths % 8]).rstrip()


def clock(seconds: float, tenths: bool = True) -> str:
    """3725.2 gives '1:02:05', 65 '1:05', 7.32 '0:07.3', or '0:07' without `tenths`."""
    minutes, second = divmod(seconds, 60)
    if tenths and seconds < 60:
        # To a tenth, but never 60.0.
        return f"0:{min(int(10 * second + 0.5), 599) / 10:04.1f}"
    hour, minute = divmod(int(minutes), 60)
    return f"{hour}:{minute:02d}:{int(second):02d}" if hour else f"{minute}:{int(second):02d}"


def _fitted(name: str, room: int) -> str:
    """A name in `room` characters, its end cut where it is longer."""
    text = visible(name)
    return f"{text if len(text) <= room else f'{text[: room - 2]}..':{room}}"
