"""The trajectories that the codebooks of a split are learned from: some of its clips' samples."""

from collections.abc import Sequence

import numpy as np

from pipeline.errors import PipelineError
from pipeline.idt import fisher


def choose_trajectories(
    counts: Sequence[int], limit: int, components: int, seed: int, split: str
) -> list[np.ndarray]:
    """Choose at random, each with equal probability, `limit` trajectories of all training clips.

    Args:
        counts: the number of sampled trajectories per training clip.
        limit: how many to choose; where there are fewer, all are chosen.
        components: the number of Gaussians of a codebook.
        seed: of the random choice, which depends on nothing else but `counts` and `limit`.
        split: the name of the split, for the error.

    Returns:
        A mask (n,) bool per clip, true for the chosen ones of its n trajectories.

    Raises:
        PipelineError: there are fewer trajectories than Gaussians or than axes of a PCA.
    """
    total = sum(counts)
    least = max(components, max(fisher.LENGTHS.values()) // 2)
    if total < least:
        raise PipelineError(
            f"the {len(counts)} training clips of {split} gave {total} trajectories, and a "
            f"codebook of {components} Gaussians wants {least}; sample more by idt.window and "
            "idt.samples_per_clip, or set idt.enabled to false: what hardly moves has no "
            "trajectories"
        )
    chosen = np.zeros(total, bool)
    chosen[np.random.default_rng(seed).permutation(total)[:limit]] = True
    return np.split(chosen, np.cumsum(counts)[:-1])


def read_descriptor(samples: Sequence, masks: Sequence[np.ndarray], columns: slice) -> np.ndarray:
    """Read one descriptor of the chosen trajectories of all clips.

    Args:
        samples: the trajectories (n, 436) per clip, HDF5 datasets or arrays.
        masks: the mask (n,) per clip, from `choose_trajectories`.
        columns: the columns of the descriptor, a value of `fisher.DESCRIPTORS`.

    Returns:
        (chosen, D) float32, in the order of the clips.
    """
    return np.concatenate(
        [data[:, columns][mask] for data, mask in zip(samples, masks, strict=True)]
    )
