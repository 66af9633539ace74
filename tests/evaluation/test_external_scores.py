"""Score files of other programs: the published ones, and the forms that are read."""

import re

import h5py
import numpy as np
import pytest
from score_cases import CLASSES, LABELS, NAMES, ROWS, VALUES, npz

from pipeline.errors import PipelineError
from pipeline.evaluation import external_scores, metrics
from pipeline.evaluation.matching import match_rows
from pipeline.storage import writer

# Accuracies in percent on the three splits of UCF101, as the README of the test material has them.
IDT = (83.61, 85.59, 84.28)


@pytest.mark.parametrize("split", [1, 2, 3])
def test_published_decision_values(shared, split):
    folder = shared / "published_scores"
    found = external_scores.read(folder / f"idt_decision_values/ucf_idt_split{split}.mat")
    assert found.classes == [] and found.values.shape[1] == 101
    assert 100 * metrics.accuracy(found.values, found.labels) == pytest.approx(
        IDT[split - 1], abs=0.005 + 1e-9
    )
    with np.load(folder / f"aligned/ucf101_split{split}.npz") as aligned:
        rows = [
            {"clip": f"{aligned['classes'][label]}/{name}", "label": int(label)}
            for name, label in zip(aligned["names"], aligned["labels"], strict=True)
        ]
        classes, expected = aligned["classes"].tolist(), aligned["idt"]
    shuffled = np.random.default_rng(split).permutation(len(rows))
    values = match_rows(found, [rows[i] for i in shuffled], classes, "ucf.mat")
    assert values == pytest.approx(expected[shuffled], abs=1e-6)


def taken(path) -> np.ndarray:
    return match_rows(external_scores.read(path), ROWS, CLASSES, str(path))


def test_forms_that_are_read(tmp_path):
    assert (taken(npz(tmp_path / "a.npz")) == VALUES).all()
    swapped = npz(
        tmp_path / "b.npz",
        classes=["Run", "Bow", "Jump"],
        scores=VALUES[:, [2, 0, 1]],
        labels=[(label + 1) % 3 for label in LABELS],
    )
    assert (taken(swapped) == VALUES).all()
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["scores"], file["names"], file["labels"] = (
            VALUES,
            [f"{name}.AVI" for name in NAMES],
            LABELS,
        )
    assert (taken(tmp_path / "a.h5") == VALUES).all()
    with writer.create(tmp_path / "ours.h5", "scores", {}, "code") as file:
        file["clips"], file["labels"], file["classes"] = (
            [row["clip"] for row in ROWS],
            LABELS,
            CLASSES,
        )
        file["scores"] = VALUES
    assert (taken(tmp_path / "ours.h5") == VALUES).all()


@pytest.mark.parametrize(
    "changed, words",
    [
        ({"names": [*NAMES[:5], NAMES[4]]}, ["twice", NAMES[4]]),
        (
            {"names": ["one", "two", *NAMES[2:]]},
            ["2 of 6 clips have no scores", ROWS[0]["clip"], ROWS[1]["clip"]],
        ),
        ({"labels": [0, 1, 1, 1, 2, 2]}, ["another class", ROWS[1]["clip"]]),
        ({"labels": [0, 1, 1, 1, 2, 2], "classes": None}, ["other classes"]),
        ({"classes": ["Bow", "Jump", "Sit"]}, ["Run, Sit"]),
        ({"classes": ["Bow", "Jump"]}, ["3 columns", "2 classes"]),
        ({"labels": [0, 0, 1, 1, 3, 3]}, ["3 columns"]),
        ({"labels": [0, 0, 1]}, ["6 names and 3 labels"]),
        ({"scores": None}, ["it holds classes, labels, names"]),
        ({"scores": VALUES[0]}, ["(3,)"]),
        ({"scores": np.where(VALUES == 3, np.nan, VALUES)}, ["not all numbers", NAMES[1]]),
        ({"names": np.array([{}] * 6, object)}, ["allow_pickle=False"]),
    ],
    ids=[
        "doubled",
        "missing",
        "label",
        "labels",
        "classes",
        "few classes",
        "many classes",
        "few labels",
        "no scores",
        "no matrix",
        "no number",
        "pickle",
    ],
)
def test_what_does_not_fit_is_refused(tmp_path, changed, words):
    with pytest.raises(PipelineError) as caught:
        taken(npz(tmp_path / "a.npz", **changed))
    message = str(caught.value)
    assert message.startswith(f"{tmp_path / 'a.npz'}: ") and "\n" not in message
    assert all(word in message for word in words), message


@pytest.mark.parametrize(
    "name, content, word",
    [
        ("none.mat", None, "there is no such file"),
        ("text.mat", b"no scores", "not a .mat file"),
        ("text.npz", b"no scores", "not a .npz file"),
        ("text.h5", b"no scores", "not an HDF5 file"),
        ("cut.npz", b"PK\x03\x04 cut short", "not a .npz file"),
        ("scores.csv", b"1,2", ".npz"),
    ],
)
def test_files_that_are_none_are_refused(tmp_path, name, content, word):
    if content:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(PipelineError, match=re.escape(word)) as caught:
        external_scores.read(tmp_path / name)
    assert str(tmp_path / name) in str(caught.value) and "\n" not in str(caught.value)
