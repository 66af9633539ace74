"""SVMs in blocks against those of scikit-learn on all vectors at once, and the memory they take."""

import tracemalloc

import numpy as np
import pytest
from sklearn.svm import SVC

from pipeline.idt import block_svm

PENALTY = 100.0


@pytest.fixture
def blocks(monkeypatch):
    """Blocks of 40 clips, 8 of them neighbours."""
    monkeypatch.setattr(block_svm, "BLOCK", 40)
    monkeypatch.setattr(block_svm, "NEIGHBOURS", 8)


def draw(clips: int, length: int, classes: int, seed: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Vectors like Fisher vectors, signed roots of norm sqrt(5), and labels, sorted by class."""
    rng = np.random.default_rng(seed)
    labels = np.sort(rng.integers(0, classes, clips))
    centres = rng.normal(0, 1, (classes, length))
    vectors = (
        rng.normal(0, 1, (clips, length)) * np.linspace(2, 0.3, length) + 0.2 * centres[labels]
    )
    vectors = np.sign(vectors) * np.sqrt(np.abs(vectors))
    vectors *= np.sqrt(5) / np.linalg.norm(vectors, axis=1)[:, None]
    return vectors.astype(np.float32), labels


def hinge(vectors, labels, label, weights, bias) -> float:
    """The objective of a class, by its definition."""
    signs = np.where(labels == label, 1, -1)
    losses = np.maximum(0, 1 - signs * (vectors.astype(float) @ weights + bias))
    return weights @ weights / 2 + PENALTY * losses.sum()


def learn(vectors, labels, classes):
    weights, biases = block_svm.learn(vectors, labels, classes, PENALTY, print)
    return weights.astype(float), biases.astype(float)


@pytest.mark.parametrize("columns", [4096, 37])
def test_the_optimum_is_that_of_all_vectors_at_once(blocks, monkeypatch, columns):
    monkeypatch.setattr(block_svm, "COLUMNS", columns)
    vectors, labels = draw(300, 150, 4)
    others, _ = draw(200, 150, 4, seed=4)
    weights, biases = learn(vectors, labels, 4)
    for label in range(4):
        exact = SVC(kernel="linear", C=PENALTY, tol=1e-7).fit(vectors, labels == label)
        expected = exact.decision_function(others)
        assert others @ weights[label] + biases[label] == pytest.approx(expected, abs=5e-3)
        best = hinge(vectors, labels, label, exact.coef_[0], exact.intercept_[0])
        # The hinge losses of clips that lie up to the tolerance off their margin count in full.
        gap = hinge(vectors, labels, label, weights[label], biases[label]) - best
        assert -1e-4 * best < gap < PENALTY * len(labels) * block_svm.TOLERANCE
        norms = [np.linalg.norm(vector) for vector in (weights[label], exact.coef_[0])]
        assert norms[0] == pytest.approx(norms[1], rel=1e-3)


def test_clips_that_cannot_be_parted_are_bounded_by_the_penalty(blocks):
    vectors, labels = draw(200, 400, 3)
    # Clips without trajectories, of all classes, and copies with other labels.
    vectors[::20] = 0
    vectors[7] = vectors[150]
    weights, biases = learn(vectors, labels, 3)
    for label in range(3):
        exact = SVC(kernel="linear", C=PENALTY, tol=1e-7).fit(vectors, labels == label)
        assert vectors @ weights[label] + biases[label] == pytest.approx(
            exact.decision_function(vectors), abs=1e-2
        )


def test_the_same_bits_come_out_each_time(blocks):
    vectors, labels = draw(150, 50, 3)
    (weights, biases), (again, biases_again) = (learn(vectors, labels, 3) for _ in range(2))
    assert (weights == again).all() and (biases == biases_again).all()


def test_every_clip_is_in_one_block_of_a_pass_and_neighbours_stay_together(blocks):
    first, second = (
        list(block_svm._draw_blocks(203, np.random.default_rng(seed))) for seed in (0, 1)
    )
    for drawn in (first, second):
        assert sorted(np.concatenate(drawn).tolist()) == list(range(203))
        assert max(map(len, drawn)) <= 48
    assert [block.tolist() for block in first] != [block.tolist() for block in second]
    together = [set(block.tolist()) for block in first]
    assert all(any({clip, clip + 1} <= block for block in together) for clip in range(0, 6))


def test_few_clips_are_one_block():
    vectors, labels = draw(30, 40, 2)
    weights, biases = learn(vectors, labels, 2)
    assert ((vectors @ weights.T + biases).argmax(axis=1) == labels).all()


def test_what_is_not_solved_in_time_is_said(blocks, monkeypatch):
    monkeypatch.setattr(block_svm, "MOST_PASSES", 1)
    vectors, labels = draw(120, 30, 3)
    told = []
    block_svm.learn(vectors, labels, 3, PENALTY, told.append)
    assert len(told) == 2 and "after 1 passes" in told[-1]


def test_memory_holds_a_block_and_not_the_products_of_all_clips(monkeypatch):
    monkeypatch.setattr(block_svm, "BLOCK", 128)

    class Drawn:
        """Vectors that are drawn when they are read, as from a disk."""

        def __len__(self):
            return 2000

        def __getitem__(self, number):
            vector = np.random.default_rng(number).normal(0, 0.1, 300).astype(np.float32)
            vector[number % 2] += 2
            return vector

    labels = np.arange(2000) % 2
    block_svm.learn(draw(20, 30, 2)[0], labels[:20], 2, PENALTY, print)
    tracemalloc.start()
    weights, biases = block_svm.learn(Drawn(), labels, 2, PENALTY, print)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # The products of all with all would be 32 MB.
    assert peak < 2.5e6
    assert weights[0, 0] > 0 > weights[0, 1]
