"""The device that a job gets, its precision and its memory layout."""

import os
import tempfile

import pytest
import torch
from gpu_cases import CARDS, pretend

from pipeline.compute import device, gpu_lock
from pipeline.errors import PipelineError
from pipeline.gpus import Gpus


@pytest.fixture
def torch_state():
    """Gives torch back as it was."""
    threads, deterministic = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    yield
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(deterministic)


def test_cpu_is_deterministic_on_the_threads_of_the_settings(monkeypatch, torch_state):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    threads = torch.get_num_threads() + 1
    chosen = device.choose_device(threads)
    assert chosen == torch.device("cpu") and torch.get_num_threads() == threads
    assert torch.are_deterministic_algorithms_enabled()
    assert device.device_name(chosen) == f"cpu, {threads} threads"


def test_gpu_is_one_that_no_other_job_holds(monkeypatch, torch_state, tmp_path, start, capfd):
    assert start().claimed(10) == [0]
    pretend(monkeypatch)
    monkeypatch.setattr(device.gpus, "found", lambda: CARDS)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda chosen: f"Card {chosen.index}")
    monkeypatch.setattr(device, "_gpu_names", lambda: ["gpu-a", "gpu-b"])
    monkeypatch.setattr(gpu_lock, "_held", [])
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr(torch.cuda, "set_device", lambda chosen: None)
    (tmp_path / "locks").rename(tmp_path / f"pipeline-gpus-{os.getuid()}")
    assert device.prepare_device(1) == torch.device("cuda", 1)
    assert capfd.readouterr().err == "device: Card 1\n"


def test_ranks_hear_from_the_first_while_it_waits_for_gpus(monkeypatch):
    """So that no exchange takes as long as GPUs may be held, which the process group forbids."""
    told = []

    def broadcast(values):
        told.append(values)
        return values

    monkeypatch.setattr(device.ranks, "count", lambda: 2)
    monkeypatch.setattr(device.ranks, "broadcast_from_rank0", broadcast)
    monkeypatch.setattr(device, "_gpu_names", lambda: ["gpu-a", "gpu-b", "gpu-c"])
    monkeypatch.setattr(device, "claims", lambda names, count: iter([[], [], [2, 0]]))
    assert device._claim_for_all() == [2, 0] and told == [[-1, -1], [-1, -1], [2, 0]]
    # The other rank hears the same.
    answers = iter(told.copy())
    monkeypatch.setattr(device.ranks, "rank", lambda: 1)
    monkeypatch.setattr(device.ranks, "broadcast_from_rank0", lambda values: next(answers))
    assert device._claim_for_all() == [2, 0]


def test_a_gpu_that_torch_cannot_use_is_an_error_unless_none_is_wanted(
    monkeypatch, torch_state, capfd
):
    pretend(monkeypatch, usable=False, built_for="13.0")
    monkeypatch.setattr(device.gpus, "found", lambda: CARDS)
    for wanted in ("auto", "cuda"):
        with pytest.raises(PipelineError, match="too old .*; or set compute.device to cpu"):
            device.prepare_device(1, wanted)
    with pytest.raises(PipelineError, match="or set --device to cpu"):
        device.choose_device(1, "auto", option="--device")
    assert device.prepare_device(1, "cpu").type == "cpu"
    assert capfd.readouterr().err == "device: cpu, 1 threads\n"


def test_without_a_gpu_auto_is_the_cpu_and_says_why(monkeypatch, torch_state, capfd):
    pretend(monkeypatch, usable=False)
    monkeypatch.setattr(device.gpus, "found", Gpus)
    monkeypatch.setattr(device.gpus, "TRACES", ())
    assert device.prepare_device(1).type == "cpu"
    assert capfd.readouterr().err == "device: cpu, 1 threads (no NVIDIA GPU)\n"
    with pytest.raises(PipelineError, match="compute.device is cuda: no NVIDIA GPU; or take auto"):
        device.prepare_device(1, "cuda")


def test_records_of_a_gpu_say_whether_it_convolves_in_tf32(monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda chosen: "Card")
    cpu, gpu = torch.device("cpu"), torch.device("cuda", 0)
    assert set(device.device_facts(cpu)) == {"device"}
    for allowed in (True, False):
        monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", allowed)
        assert device.device_facts(gpu) == {"device": "Card", "tf32": allowed}


def test_auto_is_mixed_precision_and_channels_last_on_a_gpu_that_has_them(monkeypatch):
    cpu, gpu = torch.device("cpu"), torch.device("cuda", 0)
    for has, expected in ((True, "bfloat16"), (False, "float32")):
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda emulated, has=has: has)
        assert (
            device.resolve_precision("auto", gpu) == expected
            and device.resolve_precision("auto", cpu) == "float32"
        )
        assert (
            device.resolve_precision("bfloat16", cpu) == "bfloat16"
            and device.resolve_precision("float32", gpu) == "float32"
        )
    assert (
        device.resolve_layout("auto", gpu)
        == device.resolve_layout("channels_last", cpu)
        == torch.channels_last
    )
    assert (
        device.resolve_layout("auto", cpu)
        == device.resolve_layout("channels_first", gpu)
        == torch.contiguous_format
    )
