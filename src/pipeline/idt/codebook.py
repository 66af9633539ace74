"""The trajectories that the codebooks of a split are learned from: some of its clips' samples."""

import hashlib
from collections.abc import Sequence

import numpy as np

from pipeline.errors import PipelineError
from pipeline.idt import fisher
from pipeline.idt.sample import clip_rng


def choose_trajectories(counts: Sequence[int], limit: int, seed: int) -> list[np.ndarray]:
    """Choose at random, each with equal probability, `limit` trajectories of all training clips.

    Args:
        counts: the number of sampled trajectories per training clip.
        limit: how many to choose; where there are fewer, all are chosen.
        seed: of the random choice, which depends on nothing else but `counts` and `limit`.

    Returns:
        A mask (n,) bool per clip, true for the chosen ones of its n trajectories.
    """
    chosen = np.zeros(sum(counts), bool)
    chosen[np.random.default_rng(seed).permutation(len(chosen))[:limit]] = True
    return np.split(chosen, np.cumsum(counts)[:-1])


def choose_clips(
    clips: Sequence[str], counts: Sequence[int], limit: int, seed: int
) -> list[np.ndarray]:
    """Choose `limit` trajectories: all of clips that are drawn at random, until there are so many.

    Clips are drawn in the order of a hash of their names, so that a clip behind the last drawn one
    changes nothing, whatever it holds, nor whether it is there. Of the last one some are chosen.
    Arguments and result are as in `choose_trajectories`; `clips` are the ids of the clips.
    """
    masks = [np.zeros(count, bool) for count in counts]
    for number in sorted(range(len(clips)), key=lambda number: _rank(seed, clips[number])):
        taken = clip_rng(seed, clips[number]).permutation(counts[number])[:limit]
        masks[number][taken] = True
        limit -= len(taken)
    return masks


def _rank(seed: int, clip: str) -> bytes:
    return hashlib.sha256(f"{seed} {clip}".encode()).digest()


def require_enough(counts: Sequence[int], components: int, split: str) -> None:
    """Raise PipelineError for fewer trajectories than Gaussians of a codebook or axes of a PCA.

    Args:
        counts: the number of sampled trajectories per training clip.
        components: the number of Gaussians.
        split: the name of the split.
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


def read_descriptor(samples: Sequence, masks: Sequence[np.ndarray], columns: slice) -> np.ndarray:
    """Read one descriptor of the chosen trajectories of all clips.

    Args:
        samples: the trajectories (n, 436) per clip, HDF5 datasets or arrays.
        masks: the mask (n,) per clip, from `choose_trajectories` or `choose_clips`.
        columns: the columns of the descriptor, a value of `fisher.DESCRIPTORS`.

    Returns:
        (chosen, D) float32, in the order of the clips.
    """
    return np.concatenate(
        [data[:, columns][mask] for data, mask in zip(samples, masks, strict=True)]
    )
