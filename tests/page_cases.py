"""Results in folders of their own, from scores by hand or published ones, for tests of the page."""

import json
from pathlib import Path

import numpy as np

from pipeline.config import shipped, spelling
from pipeline.config.settings import for_set
from pipeline.datasets import index
from pipeline.evaluation import fusion, metrics
from pipeline.evaluation.score_files import Scores, write_scores
from pipeline.report.page.found import Found
from pipeline.storage import writer

DIRECTIONS = ("appearance-to-motion", "motion-to-appearance")
# Names that must not act on the page, nor break it.
ODD = [
    "Übung<script>alert(1)</script>",
    "</script><img src=x onerror=alert(2)>",
    "{{ 7 * 7 }} & \"quotes\" 'single'",
    "a_very_long_name_of_a_class_" * 4,
    "体操",
]


def settings(**changed) -> dict:
    """The settings of a run on a set of its own, by the defaults but for what is changed."""
    defaults = spelling.read(shipped.DEFAULTS)
    return for_set(defaults | {"sets": {"own": {}}}, "own") | changed


def write_result(
    folder: Path,
    scores: dict[str, np.ndarray],
    labels: np.ndarray,
    classes: list[str],
    name: str = "own",
    run: str = "split1",
    logits: dict[str, np.ndarray] | None = None,
    frames: int = 40,
    config: dict | None = None,
    **more,
) -> Path:
    """Write the acc.json of a run, its score files by source, and the table of its clips.

    `scores` are (clips, classes) by source, `logits` (clips, instants, classes); a clip has so many
    `frames`. `more` takes the place of parts of the result, and of None they are left out.
    """
    config = config or settings()
    set_folder = folder / "results" / name
    rows = [
        {
            "clip": f"{classes[label]}/v_{number:04}",
            "class": classes[label],
            "label": int(label),
            "group": f"g{number}",
            "shard": "000",
            "path": f"v_{number:04}.avi",
            "sha256": "0123456789abcdef",
            "frames": frames,
            "width": 16,
            "height": 12,
        }
        for number, label in enumerate(labels)
    ]
    index.write(set_folder / run.partition("/")[0] / "test.csv", rows, index.COLUMNS)
    artifacts = {}
    for source, values in scores.items():
        inner = f"{run.partition('/')[0] if source == 'idt' else run}/{source}/scores.json"
        path = (set_folder / inner).with_suffix(".h5")
        path.parent.mkdir(parents=True, exist_ok=True)
        own = (logits or {}).get(source)
        write_scores(
            str(path), source, rows, classes, values.astype(np.float32), {}, "c0de", logits=own
        )
        artifacts[f"results/{name}/{inner}"] = "0123456789abcdef"
    aligned = {
        source: Scores(
            [row["clip"] for row in rows],
            np.array(labels),
            classes,
            values.astype(np.float32).astype(float),
        )
        for source, values in scores.items()
    }
    fused = fusion.fuse(aligned, config["fusion"])
    result = {
        "set": name,
        "split": run,
        **metrics.summary(fused.values, np.array(labels), classes, fused.headline),
        "fusion": fused.about,
        "provenance": {
            "config": config | {"set": {"format": "ucf101"}},
            "seed": 1,
            "python": "3.11.7",
            "packages": {"numpy": "2.4.6"},
            "stages": {"scores": {"code": ["c0de"], "seconds": 7200.0, "artifacts": artifacts}},
        },
        **more,
    }
    path = set_folder / run / "acc.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({key: value for key, value in result.items() if value is not None}))
    return path


def few(folder: Path, classes: list[str] | None = None, clips: int = 6, **more) -> Path:
    """A result of some clips of each class whose sources are right, wrong, mended and broken.

    Clip by clip of a class: 0 all are right; 1 only directions are, so it is mended by ASYN; 2
    only streams and IDT are; 3 trajectories alone are wrong, and break it; the others are wrong.
    """
    classes = classes or ["Bow", "Jump", "Run"]
    count = len(classes)
    labels = np.repeat(np.arange(count), clips)
    place = np.tile(np.arange(clips), count)
    right = {
        "appearance": np.isin(place, (0, 2, 3)),
        "motion": np.isin(place, (0, 2, 3)),
        DIRECTIONS[0]: np.isin(place, (0, 1, 3)),
        DIRECTIONS[1]: np.isin(place, (0, 1, 3)),
        # Trajectories break clip 3 by how sure they are.
        "idt": np.isin(place, (0, 1, 2)),
    }
    scores = {}
    for source, is_right in right.items():
        chosen = np.where(is_right, labels, (labels + 1) % count)
        scores[source] = (
            np.eye(count)[chosen]
            * np.where(place == 3, 3.0 if source == "idt" else 1.0, 1.0)[:, None]
        )
    wanted = more.pop("sources", tuple(scores))
    return write_result(
        folder, {source: scores[source] for source in wanted}, labels, classes, **more
    )


def with_logits(folder: Path, **more) -> Path:
    """A result whose streams peak at known instants of 40 frames.

    In clip 0 appearance peaks at the first and motion at the last instant; in clip 1 both peak at
    the first; in clip 2 appearance at the last and motion in the middle.
    """
    config = settings(stack=2, period={"count": 5, "instants": 1, "delta": 0})
    classes, labels = ["Bow", "Jump", "Run"], np.array([0, 1, 2])
    # Instants of 5 periods of one: 0, 9, 19, 28 and 38 minus the stack: see the test.
    peaks = {"appearance": (0, 0, 4), "motion": (4, 0, 2)}
    logits = {}
    for stream, of_clips in peaks.items():
        values = np.zeros((3, 5, 3), np.float32)
        for clip, peak in enumerate(of_clips):
            values[clip, :, labels[clip]] = 1
            values[clip, peak, labels[clip]] = 3
        logits[stream] = values
    scores = {stream: values.mean(axis=1) for stream, values in logits.items()}
    return write_result(folder, scores, labels, classes, logits=logits, config=config, **more)


def write_frames(path: Path, clips: int = 3, frames: int = 40) -> None:
    """Frames and flow of the clips of `with_logits` below the folder of the set."""
    classes = ["Bow", "Jump", "Run"]
    rows = [
        {
            "clip": f"{classes[number % 3]}/v_{number:04}",
            "path": f"v_{number:04}.avi",
            "sha256": "0123456789abcdef",
            "frames": frames,
        }
        for number in range(clips)
    ]
    rng = np.random.default_rng(1)
    items = {
        "frames": rng.integers(0, 255, (frames, 12, 16, 3), np.uint8),
        "flow": rng.integers(0, 255, (frames - 1, 2, 12, 16), np.uint8),
    }
    for kind, arrays in items.items():
        own = {"flow": {"bound": 20.0}} if kind == "flow" else {}
        (path / kind).mkdir(parents=True, exist_ok=True)
        writer.write_shard(
            path / kind / "000.h5", kind, rows, lambda _, a=arrays: iter(a), own, "c0de", "by hand"
        )


def of_paper(**changed) -> Found:
    """A result of UCF101 without anything beside it."""
    result = {
        "set": "ucf101",
        "split": "split1",
        "clips": 3783,
        "classes": 101,
        "headline": "asyn",
        "accuracy": {"two_stream": 0.93, "asyn": 0.94, "asyn_idt": 0.95},
        "mean_class_accuracy": {"two_stream": 0.93, "asyn": 0.94, "asyn_idt": 0.95},
    }
    return Found(Path("/nowhere/results/ucf101/split1/acc.json"), result | changed)


def published(folder: Path, data: Path) -> Path:
    """A result of UCF101's 3,783 test clips of split 1, from published scores of other methods.

    The directions are the same streams with other weights and some noise.
    """
    with np.load(data / "published_scores" / "aligned" / "ucf101_split1.npz") as arrays:
        rgb, flow, idt = (arrays[key].astype(float) for key in ("rgb", "flow", "idt"))
        labels, classes = arrays["labels"].astype(int), [str(name) for name in arrays["classes"]]
    rng = np.random.default_rng(1)
    scores = {
        "appearance": rgb,
        "motion": flow,
        DIRECTIONS[0]: 0.6 * rgb + flow + rng.normal(0, 0.5, rgb.shape),
        DIRECTIONS[1]: rgb + 0.8 * flow + rng.normal(0, 0.5, rgb.shape),
        "idt": idt,
    }
    return write_result(folder, scores, labels, classes, name="ucf101")
