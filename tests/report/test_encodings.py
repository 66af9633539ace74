"""Numbers of codebooks, Fisher vectors and classifiers, worked out by hand."""

import numpy as np
import pytest
from encoding_cases import AXES, codebook, svm

from pipeline.idt import fisher
from pipeline.report import inspect
from pipeline.report.encodings import effective_components, half_of_energy, parts


def test_parts_are_those_that_a_codebook_writes():
    """The gradient of a codebook's descriptors, by mean and by variance."""
    rng = np.random.default_rng(0)
    books = {
        name: fisher.Codebook(
            np.zeros(length),
            np.eye(length // 2, length),
            np.full(3, 1 / 3),
            rng.normal(size=(3, length // 2)),
            np.ones((3, length // 2)),
        )
        for name, length in fisher.LENGTHS.items()
    }
    gradients = {}
    for name, book in books.items():
        values = rng.normal(size=(5, fisher.LENGTHS[name])).astype(np.float32)
        gradients[name] = book.gradient(book.statistics(values), 5)
    found = parts(np.concatenate(list(gradients.values())))
    for name, gradient in gradients.items():
        by_mean, by_variance = found[name]
        assert by_mean.shape == by_variance.shape == (3, AXES[name])
        assert (np.concatenate([by_mean.ravel(), by_variance.ravel()]) == gradient).all()


@pytest.mark.parametrize("length", [0, 1, 425, 427])
def test_other_vectors_have_no_parts(length):
    assert parts(np.zeros(length)) == {}


def test_sparsity_is_where_half_of_the_square_lies():
    assert half_of_energy(np.array([0, 0, 0, 5.0])) == 0.25
    assert half_of_energy(np.ones(10)) == 0.5
    assert half_of_energy(np.array([3.0, -4.0])) == 0.5
    assert half_of_energy(np.zeros(4)) == 0


def test_effective_components():
    assert effective_components(np.full(8, 1 / 8)) == pytest.approx(8)
    assert effective_components(np.array([0.5, 0.5, 0])) == pytest.approx(2)


def test_lines_of_a_codebook(tmp_path):
    with inspect.open_file(codebook(tmp_path / "codebook.h5")) as file:
        lines = [line.split() for line in inspect.describe(file)[-6:]]
    assert lines[0][:3] == ["descriptor", "axes", "components"]
    # Weights of 1/2, 1/4, 1/8 and 1/8 have an entropy of 1.75 bits.
    assert lines[2] == ["HOG", "48", "4", "3.4", "0.12-0.5", "0.1-10"]


def test_lines_of_classifiers(tmp_path):
    with inspect.open_file(svm(tmp_path / "svm.h5")) as file:
        cut, whole = (inspect.describe(file, 80, everything) for everything in (False, True))
    assert cut[-1] == ".. 4 classes in all; --all shows all"
    assert whole[-4].split() == ["Bow", "-1.000", "5.000", "36%", "64%", "0%", "0%", "0%"]
    assert len(cut[-2]) <= 80 and max(map(len, whole[1:])) <= 80
