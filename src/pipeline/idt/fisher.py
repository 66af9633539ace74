"""Fisher vectors of trajectories: codebooks learned from a sample, clips encoded batch by batch.

A clip's vector is the gradient of its descriptors' log-likelihood under a Gaussian mixture, with
respect to the means and the variances (Perronnin, Sanchez, Mensink, ECCV 2010; Sanchez et al.,
IJCV 2013, eqs. 16 to 18). While a clip is encoded, three sums per mixture component are kept of it,
however many trajectories it has.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields

import numpy as np

from pipeline.storage.reader import opened

# Columns of a trajectory that hold each descriptor.
DESCRIPTORS = {
    "shape": slice(10, 40),
    "hog": slice(40, 136),
    "hof": slice(136, 244),
    "mbh_x": slice(244, 340),
    "mbh_y": slice(340, 436),
}
LENGTHS = {name: columns.stop - columns.start for name, columns in DESCRIPTORS.items()}
# Trajectories encoded at a time, at least.
BATCH = 4096


@dataclass
class Codebook:
    """PCA of one descriptor to half its length, and a Gaussian mixture in the projected space.

    D is the length of the descriptor, d = D // 2 that of its projection, K the number of Gaussians.
    Their covariances are diagonal.

    Attributes:
        mean: (D,), of the descriptors that it was learned from.
        axes: (d, D), orthonormal rows.
        weights: (K,), of the Gaussians; their sum is 1.
        means: (K, d).
        variances: (K, d).
    """

    mean: np.ndarray
    axes: np.ndarray
    weights: np.ndarray
    means: np.ndarray
    variances: np.ndarray

    def __post_init__(self):
        # The log of a Gaussian's weighted density is linear in the projections and their squares.
        # Its coefficients are (2d, K), its constants (K,). 2 pi cancels out of the posteriors.
        precisions = 1 / self.variances.astype(np.float64)
        self._coefficients = np.concatenate(
            [(self.means * precisions).T, -precisions.T / 2]
        ).astype(np.float32)
        self._constants = (
            np.log(self.weights)
            + np.log(precisions).sum(axis=1) / 2
            - (self.means**2 * precisions).sum(axis=1) / 2
        ).astype(np.float32)

    @property
    def size(self) -> int:
        """Length of a Fisher vector: 2 K d."""
        return 2 * self.means.size

    def statistics(self, values: np.ndarray) -> np.ndarray:
        """Return the sums over descriptors (n, D) of which their Fisher vector is made.

        They are (K, 1 + 2d) float64: per Gaussian the sum of the posteriors, and the sums of the
        projections and of their squares, weighted by the posteriors. Sums of batches add up.
        """
        # (n, d)
        projected = (values - self.mean) @ self.axes.T
        # (n, 2d)
        moments = np.concatenate([projected, projected**2], axis=1, dtype=np.float32)
        # (n, K)
        logs = moments @ self._coefficients + self._constants
        posteriors = np.exp(logs - logs.max(axis=1, keepdims=True))
        posteriors /= posteriors.sum(axis=1, keepdims=True)
        return np.concatenate(
            [posteriors.sum(axis=0)[:, None], posteriors.T @ moments], axis=1, dtype=np.float64
        )

    def gradient(self, statistics: np.ndarray, count: int) -> np.ndarray:
        """Return the Fisher vector (2 K d,) of `count` descriptors, not normalised yet.

        `statistics` (K, 1 + 2d) are theirs. Sanchez et al., eqs. 17 and 18.
        """
        # (K, 1), (K, d), (K, d)
        posterior, first, second = np.split(statistics, [1, 1 + self.means.shape[1]], axis=1)
        means, variances, weights = (
            array.astype(np.float64) for array in (self.means, self.variances, self.weights)
        )
        by_mean = (first - posterior * means) / np.sqrt(variances * weights[:, None])
        by_variance = (second - 2 * means * first + posterior * (means**2 - variances)) / (
            variances * np.sqrt(2 * weights[:, None])
        )
        return np.concatenate([by_mean.ravel(), by_variance.ravel()]) / count


def learn(samples: np.ndarray, components: int, seed: int) -> Codebook:
    """Learn a codebook of `components` Gaussians from descriptors (n, D), n >= components.

    `seed` is that of the mixture's k-means++ start.
    """
    from sklearn.decomposition import PCA
    from sklearn.mixture import GaussianMixture

    pca = PCA(samples.shape[1] // 2, svd_solver="covariance_eigh").fit(samples.astype(np.float64))
    projected = ((samples - pca.mean_) @ pca.components_.T).astype(np.float32)
    mixture = GaussianMixture(
        components, covariance_type="diag", init_params="k-means++", random_state=seed
    )
    mixture.fit(projected)
    return Codebook(
        mean=pca.mean_.astype(np.float32),
        axes=pca.components_.astype(np.float32),
        weights=mixture.weights_.astype(np.float32),
        means=mixture.means_.astype(np.float32),
        variances=mixture.covariances_.astype(np.float32),
    )


def read(path: str) -> dict[str, Codebook]:
    """Return the codebooks of a codebook.h5 by descriptor.

    Raises PipelineError when the file is missing, damaged or of another kind.
    """
    with opened(path, "codebook") as file:
        return {
            name: Codebook(*(file[f"{name}_{field.name}"][...] for field in fields(Codebook)))
            for name in DESCRIPTORS
        }


def normalise(gradient: np.ndarray) -> np.ndarray:
    """Return the signed square root over its L2 norm; a vector of zeros stays as it is."""
    rooted = np.sign(gradient) * np.sqrt(np.abs(gradient))
    norm = np.linalg.norm(rooted)
    return rooted / norm if norm else rooted


def encode(batches: Iterator[np.ndarray], codebooks: dict[str, Codebook]) -> np.ndarray:
    """Return the Fisher vector (sum of 2 K d,) float32 of a clip.

    The normalised vectors of the descriptors follow one another, in the order of `codebooks`. A
    clip without trajectories has a vector of zeros.

    Args:
        batches: the clip's trajectories, (n, 436) per batch.
        codebooks: a codebook per descriptor.
    """
    statistics, count = {name: 0.0 for name in codebooks}, 0
    for rows in _merge(batches):
        count += len(rows)
        for name, codebook in codebooks.items():
            batch_statistics = codebook.statistics(rows[:, DESCRIPTORS[name]])
            statistics[name] = statistics[name] + batch_statistics
    if not count:
        return np.zeros(sum(codebook.size for codebook in codebooks.values()), np.float32)
    vectors = [
        normalise(codebook.gradient(statistics[name], count))
        for name, codebook in codebooks.items()
    ]
    return np.concatenate(vectors, dtype=np.float32)


def _merge(batches: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
    """Merge small batches to such of at least BATCH rows; only the last may be smaller."""
    waiting, count = [], 0
    for rows in batches:
        waiting.append(rows)
        count += len(rows)
        if count >= BATCH:
            yield np.concatenate(waiting)
            waiting, count = [], 0
    if count:
        yield np.concatenate(waiting)
