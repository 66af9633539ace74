"""Which GPUs a driver shows, and what is said where torch or Triton cannot use them."""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from gpu_cases import CARDS, Driver, pretend

from pipeline import gpus
from pipeline.gpus import Gpus


def test_no_driver_is_no_gpu(monkeypatch):
    def absent(name):
        raise OSError(f"{name}: cannot open shared object file")

    monkeypatch.setattr(gpus.ctypes, "CDLL", absent)
    assert gpus.found() == Gpus()


def test_the_driver_names_gpus_and_its_cuda(monkeypatch):
    monkeypatch.setattr(gpus.ctypes, "CDLL", lambda name: Driver())
    assert gpus.found() == Gpus(("Card 0", "Card 1"), (12, 4))
    monkeypatch.setattr(gpus.ctypes, "CDLL", lambda name: Driver(initialised=100))
    assert gpus.found() == Gpus()


def test_why_there_is_no_gpu_tells_a_card_that_may_not_be_used(monkeypatch, tmp_path):
    monkeypatch.setattr(gpus, "TRACES", (tmp_path / "nvidiactl",))
    assert gpus.why_none() == "no NVIDIA GPU"
    (tmp_path / "nvidiactl").touch()
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert "no GPU can be used (libcuda.so.1); install its driver" in gpus.why_none()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    assert "CUDA_VISIBLE_DEVICES=-1; unset it" in gpus.why_none()


def test_torch_is_not_asked_where_there_is_no_gpu():
    code = (
        "import sys; from pipeline import gpus; assert gpus.torch_problem(gpus.Gpus()) == ''; "
        "gpus.missing_for_triton(); print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"torch", "triton", "numpy", "cv2"} & set(done.stdout.split())


@pytest.mark.parametrize(
    ("built_for", "driver", "words"),
    [
        (None, (12, 4), "torch 2.12.1 is a build without CUDA; install one with it"),
        ("13.0", (12, 4), "is built for CUDA 13.0, and the driver is too old for it, of CUDA 12.4; "
         "install a newer driver, or a build of torch for CUDA 12.4 or older"),
        ("12.8", (12, 10), "cannot use the GPU, though its driver has CUDA 12.10"),
    ],
)  # fmt: skip
def test_a_gpu_that_torch_does_not_see_is_told_with_its_cure(monkeypatch, built_for, driver, words):
    pretend(monkeypatch, usable=False, built_for=built_for)
    assert words in gpus.torch_problem(Gpus(("Card",), driver))
    assert gpus.torch_problem(Gpus()) == ""


def test_a_card_that_torch_has_no_code_for_is_told(monkeypatch):
    # A build for CUDA 13 begins at Turing, 7.5; Volta is 7.0.
    built = ["sm_75", "sm_80", "sm_86", "sm_90", "sm_100", "sm_120", "compute_120"]
    pretend(monkeypatch, capabilities=[(9, 0), (7, 0)], architectures=built)
    assert "has no code for the Card 1, of compute capability 7.0; install a build" in (
        gpus.torch_problem(CARDS)
    )
    pretend(monkeypatch, capabilities=[(9, 0), (8, 9)], architectures=built)
    assert gpus.torch_problem(CARDS) == ""


@pytest.mark.parametrize(
    ("capability", "architectures", "runs"),
    [
        ((8, 9), ["sm_86"], True),  # a later minor number of the same major one
        ((8, 0), ["sm_86"], False),
        ((9, 0), ["sm_86"], False),
        ((9, 0), ["sm_80", "compute_80"], True),  # compiled by the driver
        ((7, 5), ["compute_80"], False),
        ((10, 3), ["sm_100"], True),
        ((9, 0), ["sm_90a"], True),
        ((9, 0), [], False),
    ],
)
def test_code_runs_on_cards_of_its_family(capability, architectures, runs):
    assert gpus.runs_on(capability, architectures) == runs


def test_what_triton_lacks_is_named(tmp_path, monkeypatch):
    compiler, headers = "a C compiler", "the headers of Python (Python.h)"
    monkeypatch.setattr(gpus, "find_spec", lambda name: None if name == "triton" else name)
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(gpus, "sysconfig", SimpleNamespace(get_path=lambda name: str(tmp_path)))
    assert gpus.missing_for_triton() == ["triton", compiler, headers]
    (tmp_path / "clang").touch(mode=0o755)
    (tmp_path / "Python.h").touch()
    assert gpus.missing_for_triton() == ["triton"]
    # What the environment names counts alone.
    monkeypatch.setenv("CC", "nocc")
    assert gpus.missing_for_triton() == ["triton", compiler]


SOURCE = """
#include <string.h>
int cuInit(unsigned flags) { return 0; }
int cuDeviceGetCount(int *count) { *count = 1; return 0; }
int cuDriverGetVersion(int *version) { *version = 11040; return 0; }
int cuDeviceGetName(char *name, int size, int number) { strncpy(name, "Old Card", size); return 0; }
"""


@pytest.fixture(scope="module")
def old_driver(tmp_path_factory) -> Path:
    """A folder with a library that answers as a driver of one card does, of CUDA 11.4."""
    folder = tmp_path_factory.mktemp("driver")
    (folder / "driver.c").write_text(SOURCE)
    command = ["gcc", "-shared", "-fPIC", "-o", "libcuda.so.1", "driver.c"]
    try:
        subprocess.run(command, cwd=folder, check=True)
    except FileNotFoundError:
        pytest.skip("there is no gcc")
    return folder


def run(folder: Path, code: str) -> subprocess.CompletedProcess:
    """Run a program that finds the driver of a folder."""
    environment = os.environ | {"LD_LIBRARY_PATH": str(folder)}
    environment.pop("CUDA_VISIBLE_DEVICES", None)
    environment.pop("TRITON_INTERPRET", None)
    return subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True
    )


@pytest.mark.parametrize(
    "code",
    [
        "from pipeline.compute.device import prepare_device; prepare_device(1)",
        "from pipeline.flow import tvl1; tvl1.resolve_backend('auto')",
    ],
)
def test_neither_networks_nor_flow_pass_over_a_card_of_an_old_driver(old_driver, code):
    done = run(old_driver, code)
    assert done.returncode == 1 and "install" in done.stderr.splitlines()[-1]
    assert "pipeline.errors.PipelineError: torch " in done.stderr
    assert "to cpu" in done.stderr.splitlines()[-1]


def test_networks_leave_a_card_alone_where_they_are_told_to(old_driver):
    code = (
        "from pipeline.compute.device import prepare_device; print(prepare_device(1, 'cpu').type)"
    )
    done = run(old_driver, code)
    assert (done.stdout, done.stderr) == ("cpu\n", "device: cpu, 1 threads\n")
