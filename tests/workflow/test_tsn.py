"""The variant tsn, from clips to its result."""

import json

import h5py
import numpy as np
import pytest
from workspace import Workspace

from pipeline.streams import STREAMS

RUN = "results/mini/split1/tsn"


def test_tsn_is_trained_and_scored(tmp_path):
    """A clip of 18 frames has 17 fields, and 15 instants at which a stack of 3 begins.

    The middle of part i of 25 is 15 (2 i + 1) / 50, rounded down.
    """
    workspace = Workspace(tmp_path / "tsn")
    workspace.settings["by_stream"] = {"motion": {"co2fi": {"lr": 0.005}}}
    workspace.make(f"{RUN}/acc.json")
    result = json.loads(workspace.read(f"{RUN}/acc.json"))
    assert set(result["accuracy"]) == {*STREAMS, "two_stream"}
    assert (
        result["fusion"]["weights"] | {"appearance": 1.0, "motion": 1.5}
        == (result["fusion"]["weights"])
    )
    made = {stream: json.loads(workspace.read(f"{RUN}/{stream}/co2fi.json")) for stream in STREAMS}
    own = {stream: record["settings"] for stream, record in made.items()}
    assert {stream: of["network"]["dropout"]["fc7"] for stream, of in own.items()} == {
        "appearance": 0.8,
        "motion": 0.7,
    }
    # By default the rate of its kind, a baseline's.
    assert (own["appearance"]["co2fi"]["lr"], own["motion"]["co2fi"]["lr"]) == (0.0001, 0.005)
    assert {of["co2fi"]["segments"] for of in own.values()} == {3}
    logits, scores = {}, {}
    for stream in STREAMS:
        with h5py.File(tmp_path / "tsn" / RUN / stream / "scores.h5") as file:
            logits[stream], labels = file["logits"][...].astype(np.float64), file["labels"][...]
            scores[stream] = file["scores"][...].astype(np.float64)
        assert logits[stream].shape == (16, 25, 8)
        instants = np.array([15 * (2 * part + 1) // 50 for part in range(25)])
        same = instants[1:] == instants[:-1]
        assert set(instants) == set(range(15))
        assert (logits[stream][:, 1:][:, same] == logits[stream][:, :-1][:, same]).all()
        np.testing.assert_allclose(scores[stream], logits[stream].mean(axis=1), atol=1e-6)
        assert result["accuracy"][stream] == pytest.approx(
            np.mean(scores[stream].argmax(axis=1) == labels)
        )
    centred = {name: of - of.mean(axis=1, keepdims=True) for name, of in scores.items()}
    unit = {name: of / of.std() for name, of in centred.items()}
    fused = unit["appearance"] + 1.5 * unit["motion"]
    assert result["accuracy"]["two_stream"] == pytest.approx(
        np.mean(fused.argmax(axis=1) == labels)
    )
    # What is there is not made again, and what one stream has of its own concerns that one alone.
    assert workspace.planned(f"{RUN}/acc.json") == {}
    workspace.settings["by_stream"]["motion"]["co2fi"]["lr"] = 0.001
    assert workspace.planned(f"{RUN}/acc.json") == {
        "co2fi": 1,
        "scores_of_streams": 1,
        "fuse": 1,
    }
