"""TV-L1 optical flow (Zach, Pock, Bischof, 2007): one algorithm and its parameters, three solvers.

    opencv   pipeline.flow.opencv: OpenCV contrib's own solver, the reference
    cpu      pipeline.flow.cpu: our solver for one CPU core, by numba; about ten times as fast
    cuda     pipeline.flow.cuda: our solver for batches of pairs on an NVIDIA GPU, by Triton;
             its flow is bit-identical to the flow of `cpu`

flow[t] is the displacement from frame t to frame t + 1, in pixels. A clip of n frames therefore has
n - 1 fields, t = 0 .. n - 2.
"""

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from importlib.util import find_spec

import cv2
import numpy as np

from pipeline import gpus
from pipeline.errors import PipelineError
from pipeline.flow.pyramid import SMALLEST

BACKENDS = ("opencv", "cpu", "cuda")
# The version of the flow of cpu and cuda. Raise it when their flow changes: training refuses flow
# of two versions.
VERSION = 1


def tvl1(
    first: np.ndarray, second: np.ndarray, *, backend: str = "auto", **parameters
) -> np.ndarray:
    """Return the flow from `first` to `second`: float32 (..., H, W, 2) in pixels, x then y.

    x points right and y points down. `first` and `second` are grey images (H, W), or batches of
    them (N, H, W), uint8 or float32 in 0..255, at least 16 x 16 pixels. `backend` is auto (cuda
    where there is a GPU, else cpu), opencv, cpu or cuda. `parameters` are those of `solver`.
    Raises ValueError when an image has another type, is too small or is not finite, or when the
    sizes differ, and PipelineError when the backend is unknown or cannot run here.
    """
    for name, images in (("first", first), ("second", second)):
        _check_images(name, images)
    if first.shape != second.shape:
        raise ValueError(f"the images differ in size: first {first.shape}, second {second.shape}")
    height, width = first.shape[-2:]
    solve = solver(resolve_backend(backend), height, width, **parameters)
    # (H, W) or (N, H, W) to (N, H, W).
    pairs = [images.reshape(-1, height, width) for images in (first, second)]
    flow = np.empty((len(pairs[0]), height, width, 2), np.float32)
    for start in range(0, len(flow), solve.batch):
        part = slice(start, start + solve.batch)
        flow[part] = solve(*(solve.pyramid(images[part]) for images in pairs))
    # (N, H, W, 2) to (H, W, 2) or (N, H, W, 2).
    return flow.reshape(*first.shape, 2)


def _check_images(name: str, images: np.ndarray) -> None:
    """Raise ValueError unless `images` are grey images for which flow can be computed."""
    if not isinstance(images, np.ndarray) or images.dtype not in (np.uint8, np.float32):
        kind = getattr(images, "dtype", type(images))
        raise ValueError(f"{name}: expected an array of uint8 or float32, got {kind}")
    if images.ndim not in (2, 3):
        raise ValueError(
            f"{name}: expected a grey image (H, W) or a batch (N, H, W), got {images.shape}"
        )
    if min(images.shape[-2:]) < SMALLEST:
        raise ValueError(
            f"{name}: at least {SMALLEST} x {SMALLEST} pixels are needed, got {images.shape[-2:]}"
        )
    if images.dtype == np.float32 and images.size:
        low, high = images.min(), images.max()
        # Negated, so that NaN, for which every comparison is false, is refused too.
        if not (low >= 0 and high <= 255):
            raise ValueError(f"{name}: values must be finite and in 0..255, found {low} .. {high}")


def fields(frames: Iterable[np.ndarray], *, backend: str, **parameters) -> Iterator[np.ndarray]:
    """Yield the flow (H, W, 2) from each frame of a clip to the next, in order.

    `frames` are grey, (H, W) uint8, and of one size. The pyramid of a frame is built once and used
    for both of its pairs, but for frames between two batches. Fewer than two frames have no flow.
    Raises ValueError when a frame is too small.
    """
    yield from _of_neighbours(frames, lambda solve, *pair: solve(*pair), backend, parameters)


def codes(
    frames: Iterable[np.ndarray], *, bound: float, backend: str, **parameters
) -> Iterator[np.ndarray]:
    """Yield the flow of a clip as `fields` does, in bytes (2, H, W) as of `levels.quantise`."""
    yield from _of_neighbours(
        frames, lambda solve, *pair: solve.codes(*pair, bound), backend, parameters
    )


def codes_of_clips(solve, clips: list[np.ndarray], bound: float) -> list[np.ndarray]:
    """Return the flow of several clips of one size, solved together, in bytes.

    `solve` is a solver of their size. Of each clip's frames (n, H, W) uint8, n at least 2, it is
    (n - 1, 2, H, W) uint8.
    """
    frames = np.concatenate(clips)
    ends = np.cumsum([len(clip) for clip in clips])
    # The numbers of the frames that begin a pair: all but the last of each clip.
    begins = np.delete(np.arange(len(frames)), ends - 1)
    found = []
    for start in range(0, len(begins), solve.batch):
        part = begins[start : start + solve.batch]
        prepared = solve.pyramid(frames[part[0] : part[-1] + 2])
        pair = [[level[part - part[0] + later] for level in prepared] for later in (0, 1)]
        found.append(solve.codes(*pair, bound))
    return np.split(np.concatenate(found), np.cumsum([len(clip) - 1 for clip in clips])[:-1])


def check_size(frame: np.ndarray) -> None:
    """Raise ValueError where a frame (H, W) is too small for flow."""
    if min(frame.shape) < SMALLEST:
        height, width = frame.shape
        raise ValueError(
            f"frames of {width} x {height} pixels; at least {SMALLEST} x {SMALLEST} are needed"
        )


def _of_neighbours(
    frames: Iterable[np.ndarray], call: Callable, backend: str, parameters: dict
) -> Iterator[np.ndarray]:
    """Yield what `call(solver, first, second)` returns for each frame of a clip and the next."""
    block, solve = [], None
    for frame in frames:
        if solve is None:
            check_size(frame)
            solve = solver(backend, *frame.shape, **parameters)
        block.append(frame)
        # A batch of n pairs takes n + 1 frames, and the last frame begins the next batch.
        if len(block) == solve.batch + 1:
            yield from _of_batch(solve, block, call)
            block = block[-1:]
    if len(block) > 1:
        yield from _of_batch(solve, block, call)


def _of_batch(solve, frames: list[np.ndarray], call: Callable) -> np.ndarray:
    """Return what `call` returns for the n - 1 pairs of neighbours among n frames (H, W)."""
    prepared = solve.pyramid(np.stack(frames))
    return call(solve, [level[:-1] for level in prepared], [level[1:] for level in prepared])


def solver(
    backend: str,
    height: int,
    width: int,
    *,
    tau: float = 0.25,
    lambda_: float = 0.15,
    theta: float = 0.3,
    scales: int = 5,
    scale_step: float = 0.8,
    warps: int = 5,
    epsilon: float = 0.01,
    inner: int = 30,
    outer: int = 10,
    median: int = 5,
):
    """Return the Solver of a backend for pairs of one size.

    The defaults are OpenCV's, which two-stream work uses. The solver's `pyramid(images)` prepares
    (N, H, W) images. Calling the solver with two prepared batches, of at most `batch` images each,
    returns the flow (N, H, W, 2) between them; its `codes` takes the bound of `levels.quantise`,
    too, and returns the flow as bytes (N, 2, H, W).
    """
    # Imported here, as each of them needs packages that the others do without.
    if backend == "opencv":
        from pipeline.flow.opencv import Solver
    elif backend == "cpu":
        from pipeline.flow.cpu import Solver
    else:
        from pipeline.flow.cuda import Solver
    return Solver(
        height,
        width,
        tau=tau,
        lambda_=lambda_,
        theta=theta,
        scales=scales,
        scale_step=scale_step,
        warps=warps,
        epsilon=epsilon,
        inner=inner,
        outer=outer,
        median=median,
    )


def resolve_backend(backend: str) -> str:
    """Return the backend that runs on this machine: `auto` becomes cuda or cpu.

    Where there is a GPU and something is not here that the flow on it is compiled with, `auto` is
    cpu, with a sentence on standard error. Raises PipelineError when there is no such backend, when
    what cuda needs is missing, or when torch cannot use a GPU that is here.
    """
    if backend not in ("auto", *BACKENDS):
        raise PipelineError(f"flow.backend: '{backend}' is none of auto, {', '.join(BACKENDS)}")
    if backend not in ("auto", "cuda"):
        return backend
    # Triton's interpreter is for tests only; `auto` does not take it.
    if backend == "cuda" and os.environ.get("TRITON_INTERPRET") == "1" and find_spec("triton"):
        return "cuda"
    found = gpus.found()
    if not found.names:
        if backend == "auto":
            return "cpu"
        raise PipelineError(f"flow.backend is cuda: {gpus.why_none()}; or take auto or cpu")
    if missing := gpus.missing_for_triton():
        lacks = f"Triton compiles flow for the GPU, and lacks {' and '.join(missing)}"
        if backend == "auto":
            _say_once(f"{lacks}; flow is computed on the CPU until they are installed")
            return "cpu"
        raise PipelineError(
            f"flow.backend is cuda: {lacks}; install them (Debian: gcc, python3-dev), or take cpu"
        )
    if problem := gpus.torch_problem(found):
        raise PipelineError(f"{problem}; or set flow.backend to cpu")
    return "cuda"


@cache
def _say_once(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)


def solver_version(backend: str) -> str:
    """Return the solver's name and version, as the flow files record it.

    For our solvers it is the version of their flow; for OpenCV's it is the version of OpenCV.
    """
    return f"opencv {cv2.__version__}" if backend == "opencv" else f"{backend} {VERSION}"


def grey(frame: np.ndarray) -> np.ndarray:
    """Convert (H, W, 3) uint8 RGB to (H, W) uint8 luma (ITU-R BT.601), as OpenCV does it."""
    return cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
