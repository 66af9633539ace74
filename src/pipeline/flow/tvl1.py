"""TV-L1 optical flow (Zach, Pock, Bischof, 2007): one algorithm and its parameters, three solvers.

    opencv   OpenCV contrib's own, the reference: pipeline.flow.opencv
    cpu      ours, one core, by numba, some ten times as fast: pipeline.flow.cpu
    cuda     ours, batches of pairs on an NVIDIA GPU, by Triton, with the bits of `cpu`: pipeline.flow.cuda

flow[t] is the displacement from frame t to frame t + 1, so a clip of n frames has n - 1 fields, t = 0 .. n - 2.
"""

import ctypes
import os
from collections.abc import Iterable, Iterator
from importlib.util import find_spec

import cv2
import numpy as np

from pipeline.errors import PipelineError
from pipeline.flow.pyramid import SMALLEST

BACKENDS = ("opencv", "cpu", "cuda")
VERSION = (
    1  # of cpu and cuda: raise it when their flow changes; training refuses flow of two versions
)


def tvl1(
    first: np.ndarray, second: np.ndarray, *, backend: str = "auto", **parameters
) -> np.ndarray:
    """Flow from `first` to `second`: float32 (..., H, W, 2) in pixels, x (right) then y (down).

    first, second: grey images (H, W), or batches of them (N, H, W), uint8 or float32 in 0..255, at least 16 x 16.
    backend: auto (cuda where there is a GPU, else cpu), opencv, cpu or cuda. `parameters`: those of `solver`.
    Raises ValueError when the images are of other kinds, differ in size, are too small, or not finite.
    """
    for name, images in (("first", first), ("second", second)):
        if not isinstance(images, np.ndarray) or images.dtype not in (np.uint8, np.float32):
            raise ValueError(
                f"{name}: expected an array of uint8 or float32, got {getattr(images, 'dtype', type(images))}"
            )
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
            if not (low >= 0 and high <= 255):  # NaN too
                raise ValueError(
                    f"{name}: values must be finite and in 0..255, found {low} .. {high}"
                )
    if first.shape != second.shape:
        raise ValueError(f"the images differ in size: first {first.shape}, second {second.shape}")
    height, width = first.shape[-2:]
    solve = solver(resolved(backend), height, width, **parameters)
    pairs = [images.reshape(-1, height, width) for images in (first, second)]
    flow = np.empty((len(pairs[0]), height, width, 2), np.float32)
    for start in range(0, len(flow), solve.batch):
        part = slice(start, start + solve.batch)
        flow[part] = solve(*(solve.pyramid(images[part]) for images in pairs))
    return flow.reshape(*first.shape, 2)


def fields(frames: Iterable[np.ndarray], *, backend: str, **parameters) -> Iterator[np.ndarray]:
    """Flow (H, W, 2) of each of a clip's grey frames (H, W) uint8 to the next, in order; a frame's pyramid serves twice.

    Of fewer than two frames, none. Raises ValueError when a frame is too small.
    """
    block, solve = [], None
    for frame in frames:
        if solve is None:
            if min(frame.shape) < SMALLEST:
                raise ValueError(
                    f"frames of {frame.shape[1]} x {frame.shape[0]} pixels; at least {SMALLEST} x {SMALLEST} "
                    "are needed"
                )
            solve = solver(backend, *frame.shape, **parameters)
        block.append(frame)
        if len(block) == solve.batch + 1:
            yield from _along(solve, block)
            block = block[-1:]
    if len(block) > 1:
        yield from _along(solve, block)


def _along(solve, block: list[np.ndarray]) -> np.ndarray:
    levels = solve.pyramid(np.stack(block))
    return solve([level[:-1] for level in levels], [level[1:] for level in levels])


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
    """A backend's Solver for pairs of one size; the defaults are OpenCV's, which the field uses.

    Its `pyramid(images)` makes of (N, H, W) what its call takes two of and returns flow (N, H, W, 2), `batch` pairs at
    the most.
    """
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


def resolved(backend: str) -> str:
    """What `auto` is here. Raises PipelineError when there is no such backend, or not what it needs."""
    if backend not in ("auto", *BACKENDS):
        raise PipelineError(f"flow.backend: '{backend}' is none of auto, {', '.join(BACKENDS)}")
    if backend not in ("auto", "cuda"):
        return backend
    able = (
        (gpus() > 0 or os.environ.get("TRITON_INTERPRET") == "1")
        and find_spec("torch")
        and find_spec("triton")
    )
    if backend == "cuda" and not able:
        raise PipelineError(
            "flow.backend: cuda needs an NVIDIA GPU, its driver, and torch with Triton, which are not all "
            "here; take cpu, or auto"
        )
    return "cuda" if gpus() and able else "cpu"


def gpus() -> int:
    """NVIDIA GPUs that this process may use, asked of the driver: importing torch for it takes seconds."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return 0
    count = ctypes.c_int(0)
    return (
        count.value
        if driver.cuInit(0) == 0 and driver.cuDeviceGetCount(ctypes.byref(count)) == 0
        else 0
    )


def made_with(backend: str) -> str:
    """The solver, for the files: its name and, of ours, the version of its flow; of OpenCV's, OpenCV's."""
    return f"opencv {cv2.__version__}" if backend == "opencv" else f"{backend} {VERSION}"


def grey(frame: np.ndarray) -> np.ndarray:
    """(H, W, 3) uint8 RGB to (H, W) uint8 by ITU-R BT.601 luma, as OpenCV does it."""
    return cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
