"""The SVMs against those of scikit-learn on the vectors themselves."""

import h5py
import numpy as np
import pytest
from sklearn.svm import SVC

from pipeline.idt import sizes, svm

RNG = np.random.default_rng(6)


@pytest.mark.parametrize("classes, columns", [(3, 4096), (3, 7), (2, 4096)])
def test_learned_as_on_the_vectors_themselves(tmp_path, monkeypatch, classes, columns):
    monkeypatch.setattr(svm, "COLUMNS", columns)
    labels = np.arange(30) % classes
    vectors = (RNG.normal(0, 1, (30, 40)) + 2 * np.eye(40)[labels]).astype(np.float32)
    # A clip without trajectories.
    vectors[5] = 0
    with h5py.File(tmp_path / "vectors.h5", "w") as file:
        for number, vector in enumerate(vectors):
            file[str(number)] = vector
        weights, bias = svm.learn(
            [file[str(number)] for number in range(30)],
            labels,
            classes,
            penalty=100.0,
            report=print,
        )
    assert weights.shape == (classes, 40) and weights.dtype == bias.dtype == np.float32
    for number in range(classes):
        other = SVC(kernel="linear", C=100.0).fit(vectors, labels == number)
        assert vectors @ weights[number] + bias[number] == pytest.approx(
            other.decision_function(vectors), abs=2e-3
        )
    assert ((vectors @ weights.T + bias).argmax(axis=1) == labels)[vectors.any(axis=1)].all()


def test_of_more_clips_they_are_solved_in_blocks(monkeypatch):
    monkeypatch.setattr(sizes, "MOST_AT_ONCE", 39)
    labels = np.arange(40) % 2
    vectors = RNG.normal(0, 1, (40, 60)).astype(np.float32)
    told = []
    weights, bias = svm.learn(vectors, labels, 2, 100.0, told.append)
    assert told and weights.shape == (2, 60)
    other = SVC(kernel="linear", C=100.0).fit(vectors, labels == 1)
    assert vectors @ weights[1] + bias[1] == pytest.approx(
        other.decision_function(vectors), abs=5e-3
    )
    told.clear()
    svm.learn(list(vectors[1:]), labels[1:], 2, 100.0, told.append)
    assert not told
