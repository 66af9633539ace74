"""The NVIDIA GPUs of a machine, and what keeps torch and Triton from using them.

A GPU that its driver shows and torch cannot use is a fault to be told, and no reason to compute on
the CPU for weeks. Standard library only: torch is imported where there is a GPU, to be asked of it.
"""

import ctypes
import os
import re
import shutil
import sysconfig
import warnings
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

# Compilers that Triton looks for.
COMPILERS = ("gcc", "clang")
# What a driver leaves where a card is, whether a program may use the card or not.
TRACES = (Path("/dev/nvidiactl"), Path("/proc/driver/nvidia"))


@dataclass(frozen=True)
class Gpus:
    """The NVIDIA GPUs of a machine: their names, and the version of CUDA that their driver has."""

    names: tuple[str, ...] = ()
    cuda: tuple[int, int] = (0, 0)


def found() -> Gpus:
    """Return the GPUs that this process may use, as their driver says; none where there is none."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return Gpus()
    count, version = ctypes.c_int(0), ctypes.c_int(0)
    # All functions return 0, CUDA_SUCCESS, when they succeed.
    if driver.cuInit(0) != 0 or driver.cuDeviceGetCount(ctypes.byref(count)) != 0:
        return Gpus()
    driver.cuDriverGetVersion(ctypes.byref(version))
    names = []
    for number in range(count.value):
        name = ctypes.create_string_buffer(256)
        driver.cuDeviceGetName(name, 256, number)
        names.append(name.value.decode(errors="replace"))
    # 12040 is 12.4.
    return Gpus(tuple(names), (version.value // 1000, version.value % 1000 // 10))


def why_none() -> str:
    """Return why `found` finds no GPU: there is no card, or one that this process may not use."""
    if not any(path.exists() for path in TRACES):
        return "no NVIDIA GPU"
    if (visible := os.environ.get("CUDA_VISIBLE_DEVICES")) is not None:
        return (
            "an NVIDIA card is here, but no GPU can be used: the environment has "
            f"CUDA_VISIBLE_DEVICES={visible}; unset it"
        )
    return (
        "an NVIDIA card is here, but no GPU can be used (libcuda.so.1); install its driver, or "
        "start the container with its GPUs (docker run --gpus all)"
    )


def torch_problem(gpus: Gpus) -> str:
    """Return why torch cannot use the GPUs that were found, with the cure, or ''."""
    if not gpus.names:
        return ""
    import torch

    with warnings.catch_warnings():
        # torch warns of an old driver, in words of its own.
        warnings.simplefilter("ignore")
        if not torch.cuda.is_available():
            return unusable(torch.__version__, torch.version.cuda, gpus.cuda)
        capabilities = [torch.cuda.get_device_capability(n) for n in range(len(gpus.names))]
        architectures = torch.cuda.get_arch_list()
    for name, capability in zip(gpus.names, capabilities, strict=True):
        if not runs_on(capability, architectures):
            return (
                f"torch {torch.__version__} has no code for the {name}, of compute capability "
                f"{_version(capability)}; install a build of torch that has it"
            )
    return ""


def unusable(torch_version: str, built_for: str | None, driver: tuple[int, int]) -> str:
    """Return why a torch, built for a version of CUDA or none, sees no GPU, and the cure.

    `driver` is the version of CUDA that the driver has.
    """
    if built_for is None:
        return f"torch {torch_version} is a build without CUDA; install one with it"
    has = _version(driver)
    if driver < tuple(map(int, built_for.split(".")[:2])):
        return (
            f"torch {torch_version} is built for CUDA {built_for}, and the driver is too old for "
            f"it, of CUDA {has}; install a newer driver, or a build of torch for CUDA {has} or "
            "older"
        )
    return (
        f"torch {torch_version} cannot use the GPU, though its driver has CUDA {has}; "
        "python -c 'import torch; torch.zeros(1).cuda()' says why"
    )


def runs_on(capability: tuple[int, int], architectures: list[str]) -> bool:
    """Return whether code for one of torch's `architectures` runs on a GPU of a capability.

    Machine code (sm_86) runs within its major number from its minor number on; the intermediate
    code of the driver's compiler (compute_90) on all that is newer.
    """
    for kind, major, minor in re.findall(r"(sm|compute)_(\d+)(\d)", " ".join(architectures)):
        of_code = int(major), int(minor)
        if kind == "sm" and of_code[0] == capability[0] and of_code <= capability:
            return True
        if kind == "compute" and of_code <= capability:
            return True
    return False


def missing_for_triton() -> list[str]:
    """Return what is not here of what Triton compiles the flow solver for a GPU with."""
    missing = [name for name in ("torch", "triton") if find_spec(name) is None]
    compilers = [os.environ["CC"]] if os.environ.get("CC") else COMPILERS
    if not any(shutil.which(name) for name in compilers):
        missing.append("a C compiler")
    if not (Path(sysconfig.get_path("include")) / "Python.h").is_file():
        missing.append("the headers of Python (Python.h)")
    return missing


def _version(numbers: tuple[int, ...]) -> str:
    return ".".join(map(str, numbers))
