"""What is found on a machine, and what is said of it."""

from pathlib import Path

import pytest

from pipeline.errors import MachineError
from pipeline.gpus import Gpus
from pipeline.video import ffmpeg
from pipeline.workflow import machine_check
from pipeline.workflow.machine_check import ERROR, NOTE, OK, Finding

CARD = Gpus(("Some Card",), (12, 4))


def settings(
    backend: str = "auto", processes: int = 1, workers: int = 0, device: str = "auto"
) -> dict:
    return {
        "flow": {"backend": backend},
        "compute": {"processes": processes, "workers": workers, "device": device},
    }


@pytest.fixture
def card(monkeypatch):
    """A machine with a GPU that torch can use, and all that Triton needs."""
    monkeypatch.setattr(machine_check.gpus, "torch_problem", lambda found: "")
    monkeypatch.setattr(machine_check.gpus, "missing_for_triton", list)
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


def test_no_gpu_is_no_error_unless_one_is_asked_for(monkeypatch):
    monkeypatch.setattr(machine_check.gpus, "TRACES", ())
    (found,) = machine_check._gpus(Gpus(), settings(processes=4))
    assert found.state == NOTE and found.text.startswith("no NVIDIA GPU: flow and networks")
    (found,) = machine_check._gpus(Gpus(), settings(device="cuda"))
    assert found.state == ERROR
    monkeypatch.setattr(machine_check.gpus, "TRACES", (Path("/"),))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    (found,) = machine_check._gpus(Gpus(), None)
    assert found.state == NOTE and "no GPU can be used (libcuda.so.1)" in found.text


def test_a_gpu_is_named_with_its_driver(card):
    first, torch, triton = machine_check._gpus(CARD, settings())
    assert first == Finding(OK, "1 GPU: Some Card; its driver has CUDA 12.4")
    assert torch.text.endswith("uses the GPU") and triton.state == OK


def test_a_gpu_that_torch_cannot_use_is_an_error_where_it_is_wanted(card, monkeypatch):
    monkeypatch.setattr(machine_check.gpus, "torch_problem", lambda found: "torch is too new")
    _, torch, _ = machine_check._gpus(CARD, settings())
    assert torch == Finding(
        ERROR, "torch is too new; or set compute.device and flow.backend to cpu"
    )
    _, note = machine_check._gpus(CARD, settings("cpu", processes=2, device="cpu"))
    assert note.state == NOTE and "compute.device is cpu" in note.text


def test_what_triton_lacks_is_an_error_where_flow_must_be_computed_by_it(card, monkeypatch):
    monkeypatch.setattr(machine_check.gpus, "missing_for_triton", lambda: ["a C compiler"])
    *_, found = machine_check._gpus(CARD, settings("cuda"))
    assert found.state == ERROR and "Triton, which lacks a C compiler; install" in found.text
    *_, found = machine_check._gpus(CARD, settings("auto"))
    assert found.state == NOTE and "so flow is computed on the processor; install" in found.text
    assert all(one.state == OK for one in machine_check._gpus(CARD, settings("cpu")))


def test_more_processes_than_gpus_are_an_error(card):
    *_, found = machine_check._gpus(CARD, settings(processes=2))
    assert found.state == ERROR and "compute.processes is 2, and there are 1 GPUs" in found.text
