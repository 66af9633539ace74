"""Files of scores: what is written is read back."""

import hashlib
import json

import h5py
import numpy as np
import pytest

from pipeline.errors import PipelineError
from pipeline.evaluation.score_files import read_scores, write_scores

# Four clips of classes a, b and c, worked out by hand; no clip is of c.
VALUES = np.array([[3.0, 2, 1], [1, 3, 2], [1, 2, 3], [2, 3, 1]])
LABELS = np.array([0, 0, 1, 1])


def write(path, values, logits=None) -> str:
    names = ["Run/w\u00e9", *"xyz"]
    rows = [{"clip": name, "label": label} for name, label in zip(names, LABELS, strict=True)]
    return write_scores(path, "motion", rows, list("abc"), values, {"key": 1}, "c0de", logits)


def test_scores_are_read_back(tmp_path):
    write(tmp_path / "scores.h5", VALUES.astype(np.float32))
    found = read_scores(tmp_path / "scores.h5")
    assert found.clips == ["Run/w\u00e9", "x", "y", "z"] and found.classes == ["a", "b", "c"]
    assert (found.labels == LABELS).all() and (found.values == VALUES).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_scores_must_be_numbers(tmp_path, bad):
    values = VALUES.copy()
    values[1, 2] = bad
    write(tmp_path / "scores.h5", values)
    with pytest.raises(PipelineError, match="clip 'x'") as caught:
        read_scores(tmp_path / "scores.h5")
    assert str(caught.value).startswith(f"{tmp_path / 'scores.h5'}: ")


def cut_labels(file):
    del file["labels"]
    file["labels"] = LABELS[:3]


def no_labels(file):
    del file["labels"]


def negative_label(file):
    file["labels"][0] = -1


def large_label(file):
    file["labels"][0] = 3


def text_scores(file):
    del file["scores"]
    file["scores"] = "text"


def one_class(file):
    del file["classes"]
    file["classes"] = ["a"]


@pytest.mark.parametrize(
    "change, words",
    [
        (cut_labels, "do not fit together"),
        (no_labels, "labels"),
        (negative_label, "do not fit together"),
        (large_label, "do not fit together"),
        (text_scores, "cut short"),
        (one_class, "do not fit together"),
    ],
)
def test_parts_must_fit_together(tmp_path, change, words):
    write(tmp_path / "sealed.h5", VALUES)
    # Apart from its seal, as a file of somebody else.
    path = (tmp_path / "sealed.h5").rename(tmp_path / "scores.h5")
    with h5py.File(path, "a") as file:
        change(file)
    with pytest.raises(PipelineError, match=f"^{path}: .*{words}") as caught:
        read_scores(path)
    assert "\n" not in str(caught.value)


def test_files_hold_logits_where_there_are_any(tmp_path):
    scores = VALUES.astype(np.float32)
    logits = np.random.default_rng(0).normal(0, 3, (4, 60, 3)).astype(np.float32)
    digests = {
        "scores": write(tmp_path / "scores.h5", scores),
        "logits": write(tmp_path / "logits.h5", scores, logits),
    }
    assert digests == {
        name: hashlib.sha256(array).hexdigest()[:16]
        for name, array in (("scores", scores), ("logits", logits))
    }
    with h5py.File(tmp_path / "logits.h5") as file:
        assert set(file) == {"clips", "labels", "classes", "logits", "scores"}
        assert file["logits"].compression == "gzip" and (file["logits"][...] == logits).all()
        assert (file["scores"][...] == scores).all() and file["scores"].dtype == np.float32
        assert file.attrs["source"] == b"motion" and file.attrs["code"] == b"c0de"
        assert json.loads(file.attrs["settings"]) == {"key": 1}
    with h5py.File(tmp_path / "scores.h5") as file:
        assert set(file) == {"clips", "labels", "classes", "scores"}
