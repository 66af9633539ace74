"""Whether this machine can run, asked in seconds: findings, each ok, a note or an error.

Neither torch nor a solver is imported where there is no GPU.
"""

import importlib.metadata
import os
import platform
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from pipeline import gpus
from pipeline.compute import machine
from pipeline.errors import MachineError, listed
from pipeline.gpus import Gpus
from pipeline.video import ffmpeg

OK, NOTE, ERROR = "ok", "note", "error"
# Packages without which no job runs, by the names that they are imported by.
PACKAGES = ("snakemake", "numpy", "h5py", "cv2", "numba", "imagecodecs", "torch")
# What ffmpeg has to have: decoders of the sets that people use, and ways in and out.
DECODERS, PROTOCOLS = ("h264", "mpeg4", "mjpeg", "mpeg2video"), ("file", "pipe")
# Bytes of shared memory below which readers beside a training may fail.
SHARED = 1 << 30
# Programs that want to work, for each core, from which on a run takes longer than is told.
BUSY = 1.5
# Bytes that a process that trains takes at the least.
MEMORY = 2 << 30


@dataclass(frozen=True)
class Finding:
    """A sentence on what was found, its state, ok, note or error, and a command that mends it."""

    state: str
    text: str
    command: str = ""


def of_machine(own: dict | None = None) -> Iterator[Finding]:
    """Yield what is found on this machine; with settings `own`, what they need of it."""
    yield _python()
    yield from _ffmpeg()
    yield from _memory(own)
    yield from _load()
    yield from _gpus(gpus.found(), own)


def _python() -> Finding:
    missing = [name for name in PACKAGES if find_spec(name) is None]
    if missing:
        return Finding(
            NOTE,
            f"Python {platform.python_version()} lacks {', '.join(missing)}; install them, or have "
            "each rule get its own environment by snakemake --sdm conda",
        )
    versions = [f"{name} {importlib.metadata.version(name)}" for name in ("snakemake", "torch")]
    return Finding(OK, f"Python {platform.python_version()}, {', '.join(versions)}")


def _ffmpeg() -> Iterator[Finding]:
    try:
        path = Path(ffmpeg.executable())
        source = "of the package imageio-ffmpeg" if "imageio_ffmpeg" in path.parts else str(path)
        about = f"ffmpeg {ffmpeg.version()}, {source}"
        decoders, protocols = _ffmpeg_list("-decoders"), _ffmpeg_list("-protocols")
    except MachineError as error:
        yield Finding(ERROR, str(error))
        return
    lacks = [f"the decoder {name}" for name in DECODERS if name not in decoders]
    if missing := [name for name in PROTOCOLS if name not in protocols]:
        yield Finding(
            ERROR, f"{about} lacks the protocol {' and '.join(missing)}; install another build"
        )
    elif lacks:
        yield Finding(NOTE, f"{about} lacks {', '.join(lacks)}; videos in these cannot be read")
    else:
        yield Finding(OK, about)


def _ffmpeg_list(option: str) -> set[str]:
    """Return the names in one of the lists that ffmpeg prints of itself."""
    command = [ffmpeg.executable(), "-hide_banner", option]
    with ffmpeg.start(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        text = process.communicate()[0].decode(errors="replace")
    return {word for line in text.splitlines() for word in line.split()[:2]}


def _memory(own: dict | None) -> Iterator[Finding]:
    free, whole = machine.memory()
    shared = machine.free_bytes("/dev/shm")
    cores = machine.cores()
    text = (
        f"{cores} core{'s' * (cores > 1)}, {size_text(free)} of {size_text(whole)} of memory free, "
        f"{size_text(shared or 0)} of /dev/shm"
    )
    yield Finding(OK, text)
    if free < MEMORY:
        yield Finding(
            NOTE, f"a training takes {size_text(MEMORY)} of memory or more, and less is free"
        )
    workers = own["compute"]["workers"] if own else 0
    if workers and (shared or 0) < SHARED:
        yield Finding(
            NOTE,
            f"compute.workers is {workers}, and readers share /dev/shm; give the container more "
            "(docker run --shm-size 2g), or set it to 0",
        )


def _load() -> Iterator[Finding]:
    load, cores = os.getloadavg()[0], machine.cores()
    if load > BUSY * cores:
        yield Finding(
            NOTE,
            f"other programs keep the cores busy (load {load:.1f}); times are told of cores that "
            "work for a run alone",
        )


def _gpus(found: Gpus, own: dict | None) -> Iterator[Finding]:
    if not found.names:
        none = gpus.why_none()
        ending = ": flow and networks are computed on the processor" if "card" not in none else ""
        wanted = own is not None and own["compute"].get("device") == "cuda"
        yield Finding(ERROR if wanted else NOTE, none + ending)
        return
    cuda = ".".join(map(str, found.cuda))
    names = listed(list(dict.fromkeys(found.names)))
    yield Finding(OK, f"{len(found.names)} GPU: {names}; its driver has CUDA {cuda}")
    device = own["compute"].get("device", "auto") if own else "auto"
    backend = own["flow"]["backend"] if own else "auto"
    if device == "cpu":
        yield Finding(NOTE, "compute.device is cpu: networks are computed on the processor")
    if find_spec("torch") and (device != "cpu" or backend in ("auto", "cuda")):
        yield _torch(found)
    if backend in ("auto", "cuda"):
        yield _triton(backend)
    processes = own["compute"]["processes"] if own else 1
    if device != "cpu" and processes > len(found.names):
        yield Finding(
            ERROR,
            f"compute.processes is {processes}, and there are {len(found.names)} GPUs; lower it",
        )


def _torch(found: Gpus) -> Finding:
    """Say whether torch can use the GPUs that the driver shows."""
    if problem := gpus.torch_problem(found):
        return Finding(ERROR, f"{problem}; or set compute.device and flow.backend to cpu")
    return Finding(OK, f"torch {importlib.metadata.version('torch')} uses the GPU")


def _triton(backend: str) -> Finding:
    """Say whether Triton can compile flow, and what `backend` makes of it where it cannot."""
    missing = gpus.missing_for_triton()
    if not missing:
        return Finding(OK, "Triton has a C compiler and the headers of Python")
    lacks = f"flow on the GPU is compiled by Triton, which lacks {' and '.join(missing)}"
    install = "install them (Debian: gcc, python3-dev)"
    if backend == "auto":
        return Finding(NOTE, f"{lacks}, so flow is computed on the processor; {install}")
    return Finding(ERROR, f"{lacks}; {install}, or set flow.backend to cpu")


def size_text(size: float) -> str:
    """A size in GB or MB, for people."""
    return f"{size / 1e9:,.1f} GB" if size >= 1e9 else f"{size / 1e6:,.0f} MB"
