"""The flow of a shard's clips: decoded, solved and written by one process, or by several.

On a GPU one process has the solver, and the GPU's lock. Each of the others has one clip at a time,
decodes it and compresses its flow, which is the work of several cores where the GPU is fast. So
clips are decoded, solved and compressed at once, and none of them waits for another.
"""

from collections.abc import Callable, Iterator
from functools import cache, partial
from multiprocessing import connection

import cv2
import numpy as np

from pipeline.datasets import shard
from pipeline.errors import PipelineError
from pipeline.flow import service, tvl1
from pipeline.jobs import pool
from pipeline.jobs.record import log
from pipeline.storage.codecs import Codec
from pipeline.storage.writer import Clip
from pipeline.video.decode import decode

# Processes for each core that feeds a GPU: one works while another waits for a frame or for flow.
PROCESSES_PER_CORE = 2
# With fewer cores than these a GPU waits for flow to be compressed, so that is done faster.
ENOUGH_CORES = 8
# Settings of flow that are not parameters of a solver.
OTHER_KEYS = {"backend", "bound"}
CURE = "give the job more memory or fewer cores (--set-threads flow=4)"


def codec(settings: dict, backend: str, cores: int) -> Codec:
    """Return how a job of a number of cores compresses the flow of a backend."""
    found = Codec.from_settings(settings, "flow")
    few = backend == "cuda" and cores < ENOUGH_CORES
    return Codec(found.name, found.quality, fast=few)


def codes(
    row: dict,
    settings: dict,
    solve: Callable[[Iterator[np.ndarray]], Iterator[np.ndarray]],
    advance: Callable[[int], None],
) -> Iterator[np.ndarray]:
    """Yield the quantised fields of the clip of an index row, (2, H, W) uint8.

    `solve` takes grey frames (H, W) uint8 and yields these fields. `advance` is called with the
    number of fields since the call before. Raises PipelineError where the clip cannot be used.
    """
    accept = row["clip"] in settings["accept_damaged"]
    frames = map(tvl1.grey, decode(row["path"], settings["decode"]["short_side"], accept))
    try:
        for field in solve(frames):
            yield field
            advance(1)
    except ValueError as error:
        raise PipelineError(f"{row['path']}: {error}") from error


def solver(settings: dict, backend: str) -> Callable[[Iterator[np.ndarray]], Iterator[np.ndarray]]:
    """Return `solve` of `codes` for a solver of this process."""
    return partial(tvl1.codes, **settings["flow"] | {"backend": backend})


def write_clips(
    settings: dict,
    backend: str,
    cores: int,
    advance: Callable[[int], None],
    clips: list[Clip],
    serve: Callable[..., None] | None = None,
) -> None:
    """Write the flow of clips by several processes on a number of cores.

    `advance` is called with the number of fields that are done since the call before. `serve` is
    what answers to the processes of cuda, in place of `serve_on_gpu`.
    Raises PipelineError where a clip cannot be used, and MachineError where the machine fails or a
    process is killed. What other clips are finished by then stay.
    """
    on_gpu = backend == "cuda"
    # Long clips first, so that at the end no process is left alone with one.
    clips = sorted(clips, key=lambda clip: -clip.row["frames"])
    for _, error in pool.each(
        partial(_write_clip, settings=settings, backend=backend),
        clips,
        cores * PROCESSES_PER_CORE if on_gpu else cores,
        advance,
        partial(serve or serve_on_gpu, settings=settings) if on_gpu else None,
        CURE,
    ):
        if error:
            raise error


def _write_clip(
    clip: Clip,
    advance: Callable[[int], None],
    settings: dict,
    backend: str,
    pipe: connection.Connection | None = None,
) -> None:
    """Write a clip, in a process of its own; with a `pipe` the solver is at its other end."""
    # More cores compute more clips at a time.
    cv2.setNumThreads(1)
    solve = _client(pipe).codes if pipe else solver(settings, backend)
    clip.write(shard.of_examined(clip.row, lambda row: codes(row, settings, solve, advance)))


@cache
def _client(pipe: connection.Connection) -> service.Client:
    """The end of this process's pipe, which has memory for one clip after the other."""
    return service.Client(pipe)


def serve_on_gpu(pipes: list[connection.Connection], settings: dict) -> None:
    """Solve what comes through the pipes on a GPU that no other job of this machine has.

    Waits until one is free. Raises PipelineError where torch cannot use it.
    """
    # It takes seconds.
    import torch

    from pipeline.compute import device as devices

    device = devices.choose_device(1, option="flow.backend")
    log(f"flow on {devices.device_name(device)}")
    parameters = {key: settings["flow"][key] for key in settings["flow"].keys() - OTHER_KEYS}

    make_solver = partial(tvl1.solver, "cuda", **parameters)
    bound = settings["flow"]["bound"]
    if device.type == "cuda":
        # Each thread has to choose.
        choose = partial(torch.cuda.set_device, device)
        service.Server(pipes, make_solver, bound, initialize=choose).run()
    else:
        # Triton's interpreter, which is for tests, works in one thread.
        service.Server(pipes, make_solver, bound, threads=1).run()
