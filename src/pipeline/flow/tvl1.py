"""TV-L1 optical flow (Zach, Pock, Bischof, 2007): one algorithm and its parameters, three solvers.

    opencv   pipeline.flow.opencv: OpenCV contrib's own solver, the reference
    cpu      pipeline.flow.cpu: our solver for one CPU core, by numba; about ten times as fast
    cuda     pipeline.flow.cuda: our solver for batches of pairs on an NVIDIA GPU, by Triton;
             its flow is bit-identical to the flow of `cpu`

flow[t] is the displacement from frame t to frame t + 1, in pixels. A clip of n frames therefore has
n - 1 fields, t = 0 .. n - 2.
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
    block, solve = [], None
    for frame in frames:
        if solve is None:
            if min(frame.shape) < SMALLEST:
                height, width = frame.shape
                raise ValueError(
                    f"frames of {width} x {height} pixels; "
                    f"at least {SMALLEST} x {SMALLEST} are needed"
                )
            solve = solver(backend, *frame.shape, **parameters)
        block.append(frame)
        # A batch of n pairs takes n + 1 frames, and the last frame begins the next batch.
        if len(block) == solve.batch + 1:
            yield from _flow_of_neighbours(solve, block)
            block = block[-1:]
    if len(block) > 1:
        yield from _flow_of_neighbours(solve, block)


def _flow_of_neighbours(solve, frames: list[np.ndarray]) -> np.ndarray:
    """Return the flow (n - 1, H, W, 2) between neighbours among n frames (H, W)."""
    levels = solve.pyramid(np.stack(frames))
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
    """Return the Solver of a backend for pairs of one size.

    The defaults are OpenCV's, which two-stream work uses. The solver's `pyramid(images)` prepares
    (N, H, W) images. Calling the solver with two prepared batches, of at most `batch` images each,
    returns the flow (N, H, W, 2) between them.
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

    Raises PipelineError when there is no such backend, or when what it needs is missing.
    """
    if backend not in ("auto", *BACKENDS):
        raise PipelineError(f"flow.backend: '{backend}' is none of auto, {', '.join(BACKENDS)}")
    if backend not in ("auto", "cuda"):
        return backend
    can_run_cuda = (
        (gpu_count() > 0 or os.environ.get("TRITON_INTERPRET") == "1")
        and find_spec("torch")
        and find_spec("triton")
    )
    if backend == "cuda" and not can_run_cuda:
        raise PipelineError(
            "flow.backend: cuda needs an NVIDIA GPU, its driver, and torch with Triton, which are "
            "not all here; take cpu, or auto"
        )
    # Triton's interpreter is for tests only; `auto` does not take it.
    return "cuda" if gpu_count() and can_run_cuda else "cpu"


def gpu_count() -> int:
    """Return the number of NVIDIA GPUs that this process may use.

    The driver is asked, because importing torch for it would take seconds.
    """
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return 0
    count = ctypes.c_int(0)
    # Both functions return 0, CUDA_SUCCESS, when they succeed.
    if driver.cuInit(0) != 0 or driver.cuDeviceGetCount(ctypes.byref(count)) != 0:
        return 0
    return count.value


def solver_version(backend: str) -> str:
    """Return the solver's name and version, as the flow files record it.

    For our solvers it is the version of their flow; for OpenCV's it is the version of OpenCV.
    """
    return f"opencv {cv2.__version__}" if backend == "opencv" else f"{backend} {VERSION}"


def grey(frame: np.ndarray) -> np.ndarray:
    """Convert (H, W, 3) uint8 RGB to (H, W) uint8 luma (ITU-R BT.601), as OpenCV does it."""
    return cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
