"""Fisher vectors of trajectories: codebooks learned from a sample, clips encoded batch by batch.

A clip's vector is the gradient of its descriptors' log-likelihood under a Gaussian mixture, with respect to the means and
the variances (Perronnin, Sanchez, Mensink, ECCV 2010; Sanchez et al., IJCV 2013, eqs. 16 to 18). What is kept of a clip
while it is encoded are three sums a mixture component, however many trajectories it has.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields

import numpy as np

from pipeline.storage.reader import open_checked

PARTS = {
    "shape": slice(10, 40),
    "hog": slice(40, 136),
    "hof": slice(136, 244),
    "mbh_x": slice(244, 340),
    "mbh_y": slice(340, 436),
}  # columns of a trajectory
LENGTHS = {part: columns.stop - columns.start for part, columns in PARTS.items()}
BATCH = 4096  # trajectories encoded at a time


@dataclass
class Codebook:
    """Of one descriptor: the principal half of its axes, and a mixture of Gaussians with diagonal covariance in them."""

    mean: np.ndarray  # (D,)
    axes: np.ndarray  # (d, D), orthonormal rows
    weights: np.ndarray  # (K,)
    means: np.ndarray  # (K, d)
    variances: np.ndarray  # (K, d)

    def __post_init__(self):
        precisions = 1 / self.variances.astype(np.float64)
        self._products = np.concatenate([(self.means * precisions).T, -precisions.T / 2]).astype(
            np.float32
        )  # (2d, K)
        self._constants = (
            np.log(self.weights)
            + np.log(precisions).sum(axis=1) / 2
            - (self.means**2 * precisions).sum(axis=1) / 2
        ).astype(np.float32)  # (K,); 2 pi cancels out

    @property
    def size(self) -> int:
        """Length of a Fisher vector: 2 K d."""
        return 2 * self.means.size

    def sums(self, values: np.ndarray) -> np.ndarray:
        """Of descriptors (n, D), sums of the posteriors and of them times the projections and their squares, (K, 1 + 2d)."""
        projected = (values - self.mean) @ self.axes.T  # (n, d)
        moments = np.concatenate([projected, projected**2], axis=1, dtype=np.float32)  # (n, 2d)
        logs = moments @ self._products + self._constants  # (n, K)
        posteriors = np.exp(logs - logs.max(axis=1, keepdims=True))
        posteriors /= posteriors.sum(axis=1, keepdims=True)
        return np.concatenate(
            [posteriors.sum(axis=0)[:, None], posteriors.T @ moments], axis=1, dtype=np.float64
        )

    def gradient(self, sums: np.ndarray, count: int) -> np.ndarray:
        """(2 K d,): the Fisher vector of `count` descriptors from their `sums`, as it is."""
        posterior, first, second = np.split(
            sums, [1, 1 + self.means.shape[1]], axis=1
        )  # (K, 1), (K, d), (K, d)
        means, variances, weights = (
            array.astype(np.float64) for array in (self.means, self.variances, self.weights)
        )
        by_mean = (first - posterior * means) / np.sqrt(variances * weights[:, None])
        by_variance = (second - 2 * means * first + posterior * (means**2 - variances)) / (
            variances * np.sqrt(2 * weights[:, None])
        )
        return np.concatenate([by_mean.ravel(), by_variance.ravel()]) / count


def learn(samples: np.ndarray, components: int, seed: int) -> Codebook:
    """A codebook from descriptors (n, D), n >= components: PCA to half of D, then a mixture of `components` Gaussians."""
    from sklearn.decomposition import PCA
    from sklearn.mixture import GaussianMixture

    axes = PCA(samples.shape[1] // 2, svd_solver="covariance_eigh").fit(samples.astype(np.float64))
    projected = ((samples - axes.mean_) @ axes.components_.T).astype(np.float32)
    mixture = GaussianMixture(
        components, covariance_type="diag", init_params="k-means++", random_state=seed
    )
    mixture.fit(projected)
    return Codebook(
        *(
            array.astype(np.float32)
            for array in (
                axes.mean_,
                axes.components_,
                mixture.weights_,
                mixture.means_,
                mixture.covariances_,
            )
        )
    )


def read(path: str) -> dict[str, Codebook]:
    """The codebooks of a codebook.h5, by descriptor. Raises PipelineError when it is none."""
    with open_checked(path, "codebook") as file:
        return {
            part: Codebook(*(file[f"{part}_{field.name}"][...] for field in fields(Codebook)))
            for part in PARTS
        }


def normalised(gradient: np.ndarray) -> np.ndarray:
    """The signed square root, over its L2 norm; nothing stays nothing."""
    rooted = np.sign(gradient) * np.sqrt(np.abs(gradient))
    norm = np.linalg.norm(rooted)
    return rooted / norm if norm else rooted


def encode(batches: Iterator[np.ndarray], codebooks: dict[str, Codebook]) -> np.ndarray:
    """The Fisher vector (D,) float32 of a clip's trajectories, (n, 436) a batch.

    The parts of `codebooks`, normalised each, follow one another. Without trajectories it is all zero.
    """
    sums, count = {part: 0.0 for part in codebooks}, 0
    for rows in _collected(batches):
        count += len(rows)
        for part, codebook in codebooks.items():
            sums[part] = sums[part] + codebook.sums(rows[:, PARTS[part]])
    if not count:
        return np.zeros(sum(codebook.size for codebook in codebooks.values()), np.float32)
    parts = [
        normalised(codebook.gradient(sums[part], count)) for part, codebook in codebooks.items()
    ]
    return np.concatenate(parts, dtype=np.float32)


def _collected(batches: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
    """The rows of many small batches in batches of at least BATCH, but for the last."""
    waiting, count = [], 0
    for rows in batches:
        waiting.append(rows)
        count += len(rows)
        if count >= BATCH:
            yield np.concatenate(waiting)
            waiting, count = [], 0
    if count:
        yield np.concatenate(waiting)
