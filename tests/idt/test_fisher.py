"""Fisher vectors against numerical gradients of the log-likelihood; codebooks, normalisation."""

import numpy as np
import pytest

from pipeline.errors import PipelineError
from pipeline.idt import fisher
from pipeline.idt.fisher import DESCRIPTORS, LENGTHS, Codebook
from pipeline.storage import writer

RNG = np.random.default_rng(5)


def codebook(length: int, kept: int, components: int) -> Codebook:
    axes = np.linalg.qr(RNG.standard_normal((length, kept)))[0].T
    weights = RNG.uniform(1, 2, components)
    return Codebook(
        RNG.normal(0, 1, length),
        axes,
        weights / weights.sum(),
        RNG.normal(0, 1, (components, kept)),
        RNG.uniform(0.5, 2, (components, kept)),
    )


def codebooks(components: int = 3) -> dict[str, Codebook]:
    return {part: codebook(length, length // 2, components) for part, length in LENGTHS.items()}


def log_likelihood(values, book, means, deviations) -> float:
    projected = (values - book.mean) @ book.axes.T
    # (n, K, d)
    squares = ((projected[:, None] - means) / deviations) ** 2
    densities = np.exp(-squares.sum(axis=2) / 2) / (
        np.sqrt(2 * np.pi) ** means.shape[1] * deviations.prod(axis=1)
    )
    return float(np.log(densities @ book.weights).sum())


def test_it_is_the_gradient_of_the_log_likelihood():
    """The gradient by differences, scaled by the inverse root of the Fisher information.

    That is sigma / sqrt(w) of a mean, and sigma / sqrt(2 w) of a deviation.
    """
    book, values, step = codebook(4, 2, 3), RNG.normal(0, 1, (7, 4)), 1e-5
    means, deviations = book.means, np.sqrt(book.variances)
    expected = []
    for of_mean, information in ((True, 1), (False, 2)):
        for k, d in np.ndindex(means.shape):
            shift = np.zeros_like(means)
            shift[k, d] = step
            ends = [
                log_likelihood(
                    values,
                    book,
                    means + sign * shift * of_mean,
                    deviations + sign * shift * (not of_mean),
                )
                for sign in (1, -1)
            ]
            slope = (ends[0] - ends[1]) / (2 * step)
            expected.append(
                slope * deviations[k, d] / np.sqrt(information * book.weights[k]) / len(values)
            )
    assert book.gradient(book.statistics(values), len(values)) == pytest.approx(expected, abs=2e-5)


def test_what_the_mixture_expects_has_no_gradient():
    book = codebook(4, 4, 3)
    component = RNG.choice(3, 200_000, p=book.weights)
    values = (
        RNG.normal(book.means[component], np.sqrt(book.variances[component])) @ book.axes
        + book.mean
    )
    assert np.abs(book.gradient(book.statistics(values), len(values))).max() < 0.02


def test_far_values_give_numbers():
    book = codebook(4, 2, 3)
    assert np.isfinite(book.gradient(book.statistics(np.full((5, 4), 1e4)), 5)).all()


def test_normalised_by_hand():
    assert fisher.normalise(np.array([4.0, -9.0, 0.0])) == pytest.approx(
        np.array([2, -3, 0]) / np.sqrt(13)
    )
    assert (fisher.normalise(np.zeros(3)) == 0).all()


def rows(count: int) -> np.ndarray:
    return RNG.normal(0, 1, (count, 436)).astype(np.float32)


def test_a_clip_is_its_parts_each_of_norm_1():
    books, values = codebooks(), rows(50)
    vector = fisher.encode([values], books)
    assert vector.shape == (2 * 3 * 213,) and vector.dtype == np.float32
    start = 0
    for part, book in books.items():
        piece = vector[start : start + book.size]
        gradient = book.gradient(book.statistics(values[:, DESCRIPTORS[part]]), 50)
        assert piece == pytest.approx(fisher.normalise(gradient), abs=1e-6)
        assert np.linalg.norm(piece) == pytest.approx(1, abs=1e-5)
        start += book.size


def test_parts_cover_all_but_place_and_size():
    covered = np.concatenate([np.arange(436)[columns] for columns in DESCRIPTORS.values()])
    assert covered.tolist() == list(range(10, 436)) and list(LENGTHS.values()) == [
        30,
        96,
        108,
        96,
        96,
    ]
    assert sum(2 * 256 * (length // 2) for length in LENGTHS.values()) == 109_056


def test_batches_do_not_matter(monkeypatch):
    books, values = codebooks(), rows(300)
    whole = fisher.encode([values], books)
    monkeypatch.setattr(fisher, "BATCH", 64)
    pieces = [values[:1], values[1:1], values[1:100], values[100:]]
    assert fisher.encode(pieces, books) == pytest.approx(whole, abs=1e-5)


@pytest.mark.parametrize(
    "batches", [[], [np.empty((0, 436), np.float32)] * 3], ids=["short clip", "static clip"]
)
def test_no_trajectories_are_a_vector_of_zeros(batches):
    vector = fisher.encode(batches, codebooks())
    assert vector.shape == (1278,) and (vector == 0).all()


def test_learned_axes_are_the_principal_half():
    scales = np.arange(1, 9)[::-1] / 2
    turn = np.linalg.qr(RNG.standard_normal((8, 8)))[0]
    samples = (RNG.standard_normal((4000, 8)) * scales) @ turn + 3
    book = fisher.learn(samples, 2, seed=1)
    assert book.axes.shape == (4, 8) and book.means.shape == book.variances.shape == (2, 4)
    assert book.axes @ book.axes.T == pytest.approx(np.eye(4), abs=1e-5)
    assert np.abs(np.diag(book.axes @ turn[:4].T)) == pytest.approx(np.ones(4), abs=0.05)
    assert book.mean == pytest.approx(samples.mean(axis=0), abs=1e-5)
    assert book.weights.sum() == pytest.approx(1, abs=1e-6) and (book.variances > 0).all()


def test_learning_finds_the_mixture_and_is_repeatable():
    centres = np.array([[4.0, 0, 0, 0], [-4, 1, 0, 0]])
    samples = centres[RNG.integers(2, size=3000)] + RNG.normal(0, 0.3, (3000, 4))
    book, again = (fisher.learn(samples, 2, seed=1) for _ in range(2))
    centres_learned = book.means @ book.axes + book.mean
    assert sorted(centres_learned[:, 0]) == pytest.approx([-4, 4], abs=0.1)
    assert all(
        (getattr(book, name) == getattr(again, name)).all()
        for name in ("axes", "weights", "means", "variances")
    )


def test_codebooks_are_read_back(tmp_path):
    books = codebooks()
    with writer.create(tmp_path / "codebook.h5", "codebook", {}, "code") as file:
        for part, book in books.items():
            for name in ("mean", "axes", "weights", "means", "variances"):
                file[f"{part}_{name}"] = getattr(book, name)
    values = rows(20)
    assert (
        fisher.encode([values], fisher.read(tmp_path / "codebook.h5"))
        == fisher.encode([values], books)
    ).all()
    with pytest.raises(PipelineError, match="not a file of kind|no such file"):
        fisher.read(tmp_path / "none.h5")
