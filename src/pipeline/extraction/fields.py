"""The flow of a clip's frames, also from each frame to one that is several frames away."""

from collections.abc import Iterable, Iterator
from itertools import islice

import numpy as np

from pipeline.flow import tvl1


def fields(
    frames: Iterable[np.ndarray], step: int, skips: bool, backend: str
) -> Iterator[np.ndarray]:
    """Yield the flow (H, W, 2), float32 in pixels, from frames to those `step` frames later.

    `frames` are grey, (H, W) uint8, and of one size, at least 16 x 16 pixels. Of n frames that is
    every one, with n - step fields; where `skips`, every `step`-th, with (n - 1) // step fields.
    For a step of 1 the fields are those of `tvl1.fields`, bit for bit.
    """
    if skips:
        frames, step = islice(frames, 0, None, step), 1
    if step == 1:
        yield from tvl1.fields(frames, backend=backend)
        return
    block, solve = [], None
    for frame in frames:
        solve = solve or tvl1.solver(backend, *frame.shape)
        block.append(frame)
        # The last `step` frames of a batch begin the next.
        if len(block) == solve.batch + step:
            yield from _flow_of(solve, block, step)
            block = block[-step:]
    if len(block) > step:
        yield from _flow_of(solve, block, step)


def _flow_of(solve, frames: list[np.ndarray], step: int) -> np.ndarray:
    """Return the flow (n - step, H, W, 2) between frames `step` apart among n frames (H, W)."""
    levels = solve.pyramid(np.stack(frames))
    return solve([level[:-step] for level in levels], [level[step:] for level in levels])
