"""What is found on a machine, and what is said of it."""

import pytest

from pipeline.compute.machine import Gpus
from pipeline.errors import MachineError
from pipeline.video import ffmpeg
from pipeline.workflow import machine_check
from pipeline.workflow.machine_check import ERROR, NOTE, OK, Finding, judge_torch

CARD = Gpus(("Some Card",), (12, 4))


def settings(backend: str = "auto", processes: int = 1, workers: int = 0) -> dict:
    return {
        "flow": {"backend": backend},
        "compute": {"processes": processes, "workers": workers},
    }


@pytest.fixture
def card(monkeypatch):
    """A machine with a GPU that torch can use, and all that Triton needs."""
    monkeypatch.setattr(machine_check, "_torch", lambda driver: Finding(OK, f"torch, {driver}"))
    monkeypatch.setattr(machine_check.machine, "missing_for_triton", list)
    monkeypatch.setattr(machine_check, "find_spec", lambda name: name)


def test_this_machine_has_no_errors():
    found = list(machine_check.of_machine())
    assert not [one.text for one in found if one.state == ERROR]
    assert "Python 3." in found[0].text and "ffmpeg" in found[1].text


def test_missing_packages_are_named(monkeypatch):
    monkeypatch.setattr(machine_check, "find_spec", lambda name: None if name == "torch" else name)
    found = machine_check._python()
    assert found.state == NOTE and " lacks torch; install" in found.text


def test_without_ffmpeg_there_is_an_error(monkeypatch):
    def absent():
        raise MachineError("there is no ffmpeg on this machine; install it")

    monkeypatch.setattr(ffmpeg, "executable", absent)
    monkeypatch.setattr(ffmpeg, "version", absent)
    assert list(machine_check._ffmpeg()) == [
        Finding(ERROR, "there is no ffmpeg on this machine; install it")
    ]


@pytest.mark.parametrize(
    "lists, state, words",
    [
        ({"-decoders": {*machine_check.DECODERS}, "-protocols": {"file", "pipe"}}, OK, "ffmpeg"),
        ({"-decoders": {"h264", "mjpeg", "mpeg2video"}, "-protocols": {"file", "pipe"}}, NOTE,
         "lacks the decoder mpeg4; videos"),
        ({"-decoders": set(), "-protocols": {"file"}}, ERROR, "lacks the protocol pipe; install"),
    ],
)  # fmt: skip
def test_what_ffmpeg_lacks_is_named(monkeypatch, lists, state, words):
    monkeypatch.setattr(machine_check, "_ffmpeg_list", lists.get)
    (found,) = machine_check._ffmpeg()
    assert found.state == state and words in found.text


def test_ffmpeg_lists_what_it_has():
    assert set(machine_check.DECODERS) <= machine_check._ffmpeg_list("-decoders")
    assert {"file", "pipe"} <= machine_check._ffmpeg_list("-protocols")


def test_little_memory_is_noted(monkeypatch):
    monkeypatch.setattr(machine_check.machine, "memory", lambda: (10**9, 8 * 10**9))
    monkeypatch.setattr(machine_check.machine, "free_bytes", lambda folder: 64 * 10**6)
    monkeypatch.setattr(machine_check.machine, "cores", lambda: 1)
    facts, memory = machine_check._memory(settings())
    assert facts == Finding(OK, "1 core, 1.0 GB of 8.0 GB of memory free, 64 MB of /dev/shm")
    assert memory.state == NOTE
    # Readers share batches there.
    *_, shared = machine_check._memory(settings(workers=4))
    assert shared.state == NOTE and "compute.workers is 4" in shared.text


def test_a_busy_machine_is_noted(monkeypatch):
    monkeypatch.setattr(machine_check.machine, "cores", lambda: 4)
    for load, count in ((5.9, 0), (6.1, 1)):
        monkeypatch.setattr(machine_check.os, "getloadavg", lambda load=load: (load, 0.0, 0.0))
        found = list(machine_check._load())
        assert len(found) == count
    assert found[0].state == NOTE and "(load 6.1)" in found[0].text


def test_no_gpu_is_no_error(monkeypatch):
    monkeypatch.setattr(machine_check.Path, "exists", lambda path: False)
    (found,) = machine_check._gpus(Gpus(), settings(processes=4))
    assert found.state == NOTE and found.text.startswith("no NVIDIA GPU")
    monkeypatch.setattr(machine_check.Path, "exists", lambda path: True)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    (found,) = machine_check._gpus(Gpus(), None)
    assert found.state == NOTE and "no GPU can be used (libcuda.so.1)" in found.text
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    (found,) = machine_check._gpus(Gpus(), None)
    assert found.state == NOTE and "CUDA_VISIBLE_DEVICES=-1; unset it" in found.text


def test_a_gpu_is_named_with_its_driver(card):
    first, torch, triton = machine_check._gpus(CARD, settings())
    assert first == Finding(OK, "1 GPU: Some Card; its driver has CUDA 12.4")
    assert torch.text == "torch, (12, 4)" and triton.state == OK


def test_what_triton_lacks_is_an_error_where_flow_is_computed_by_it(card, monkeypatch):
    monkeypatch.setattr(machine_check.machine, "missing_for_triton", lambda: ["a C compiler"])
    *_, found = machine_check._gpus(CARD, settings("cuda"))
    assert found.state == ERROR and "Triton, which lacks a C compiler; install" in found.text
    assert all(one.state == OK for one in machine_check._gpus(CARD, settings("cpu")))


def test_more_processes_than_gpus_are_an_error(card):
    *_, found = machine_check._gpus(CARD, settings(processes=2))
    assert found.state == ERROR and "compute.processes is 2, and there are 1 GPUs" in found.text


@pytest.mark.parametrize(
    "built_for, usable, driver, state, words",
    [
        ("13.0", True, (13, 0), OK, "uses the GPU"),
        # Versions of CUDA are compatible within a major number: torch itself says whether it can.
        ("12.8", True, (12, 4), OK, "uses the GPU"),
        (None, False, (12, 4), ERROR, "is a build without CUDA"),
        ("13.0", False, (12, 4), ERROR, "a build of torch for CUDA 12.4 or older"),
        ("12.8", False, (12, 10), ERROR, "cannot use the GPU, though its driver has CUDA 12.10"),
    ],
)
def test_a_driver_that_is_too_old_for_torch_is_said_with_its_cure(
    built_for, usable, driver, state, words
):
    found = judge_torch("2.12.1", built_for, usable, driver)
    assert found.state == state and words in found.text
    assert state == OK or "networks would train on the processor" in found.text
