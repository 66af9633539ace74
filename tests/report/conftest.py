"""A file of each kind that is shown, small enough to work out by hand what is said of it."""

import numpy as np
import pytest
from report_cases import BOUND, CLASSES, GREY, shard

from pipeline.report import inspect
from pipeline.storage import writer


@pytest.fixture
def frames(tmp_path):
    items = {f"{name}/{name.lower()}_{i}": [GREY] * 5 for name in ("Jump", "Run") for i in range(5)}
    items["Run/a b"] = [np.zeros((6, 8, 3), np.uint8), np.full((6, 8, 3), (255, 60, 0), np.uint8)]
    with shard(
        tmp_path / "frames.h5", "frames", items, items, {"decode": {"short_side": 256}}
    ) as file:
        yield file


@pytest.fixture
def flow(tmp_path):
    """Field 0: right at the bound; 1: left half down at the bound, right half still; 2: still."""
    right, half, still = (np.full((2, 6, 8), 128, np.uint8) for _ in range(3))
    right[0], half[1, :, :4] = 255, 255
    items = {"Run/clip": [right, half, still]}
    with shard(tmp_path / "flow.h5", "flow", items, items, {"flow": {"bound": BOUND}}) as file:
        yield file


@pytest.fixture
def groups(tmp_path):
    """Four positions, 2 apart, of class Jump (1): ranked first, third, last of five, and not."""
    ranked = np.array(
        [[1, 0, 2, 3, 4], [0, 2, 1, 3, 4], [0, 2, 3, 4, 1], [0, 2, 3, 4, 5]], np.uint16
    )
    path = tmp_path / "groups.h5"
    with writer.create(
        path,
        "groups",
        {"granularities": [5, 3, 1], "groups": {"stride": 2}},
        "c0de",
        classes=CLASSES,
    ) as file:
        file["Jump/jump_1"] = ranked
        file["Jump/jump_1"].attrs.update({"clip": "Jump/jump_1", "label": 1})
    with inspect.open_file(path) as file:
        yield file


@pytest.fixture
def scores(tmp_path):
    """Two clips of one period of two instants; Yawn, true of the second, is its least likely."""
    probabilities = np.array(
        [
            [[0.5, 0.3, 0.1, 0.05, 0.03, 0.02], [0.1, 0.7, 0.1, 0.05, 0.03, 0.02]],
            [[0.4, 0.3, 0.15, 0.1, 0.04, 0.01]] * 2,
        ]
    )
    path, settings = (
        tmp_path / "scores.h5",
        {"scores": {"space": "softmax"}, "period": {"count": 1, "instants": 2}},
    )
    with writer.create(path, "scores", settings, "c0de", source="motion") as file:
        file["clips"], file["labels"], file["classes"] = (
            ["Jump/one", "Yawn/two"],
            np.array([1, 5]),
            CLASSES,
        )
        file["logits"] = np.log(probabilities).astype(np.float32) + 7
        file["scores"] = probabilities.mean(axis=1).astype(np.float32)
    with inspect.open_file(path) as file:
        yield file


@pytest.fixture
def decisions(tmp_path):
    """Scores by trajectories, which have no instants."""
    with writer.create(
        tmp_path / "decisions.h5", "scores", {"identity": "ab"}, "c0de", source="idt"
    ) as file:
        file["clips"], file["labels"], file["classes"] = ["Jump/one"], np.array([1]), CLASSES
        file["scores"] = np.array([[0.5, 0.25, -1, -1, -1, -2]], np.float32)
    with inspect.open_file(tmp_path / "decisions.h5") as file:
        yield file
