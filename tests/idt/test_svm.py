"""The SVMs against those of scikit-learn on the vectors themselves."""

import h5py
import numpy as np
import pytest
from sklearn.svm import SVC

from pipeline.idt import svm

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
            [file[str(number)] for number in range(30)], labels, classes, penalty=100.0
        )
    assert weights.shape == (classes, 40) and weights.dtype == bias.dtype == np.float32
    for number in range(classes):
        other = SVC(kernel="linear", C=100.0).fit(vectors, labels == number)
        assert vectors @ weights[number] + bias[number] == pytest.approx(
            other.decision_function(vectors), abs=2e-3
        )
    assert ((vectors @ weights.T + bias).argmax(axis=1) == labels)[vectors.any(axis=1)].all()
