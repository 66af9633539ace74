"""Which processor a job gets; no two jobs share a GPU."""

import multiprocessing
import os
import tempfile

import pytest
import torch

from pipeline.compute import device, gpu_lock
from pipeline.errors import PipelineError

FORK = multiprocessing.get_context("fork")


class Job:
    """A process that claims one or more of two GPUs and holds them until it is ended."""

    def __init__(self, folder, count):
        self.count = count
        self.pipe, end = FORK.Pipe()
        self.process = FORK.Process(target=self.run, args=(end, folder))
        self.process.start()
        end.close()

    def run(self, end, folder):
        self.pipe.close()
        end.send(gpu_lock.claim(["gpu-a", "gpu-b"], self.count, folder, poll=0.02))
        end.recv()

    def claimed(self, seconds: float) -> list[int] | None:
        return self.pipe.recv() if self.pipe.poll(seconds) else None

    def end(self):
        self.process.kill()
        self.process.join()


@pytest.fixture
def start(tmp_path):
    """Starts jobs, and ends those that a test leaves."""
    jobs = []

    def begin(count=1):
        jobs.append(Job(tmp_path / "locks", count))
        return jobs[-1]

    yield begin
    for job in jobs:
        job.end()


def test_jobs_get_different_gpus_and_wait_for_a_free_one(start, capfd):
    first, second = start(), start()
    numbers = [first.claimed(10), second.claimed(10)]
    assert sorted(numbers) == [[0], [1]]
    third = start()
    assert third.claimed(0.3) is None
    second.end()  # killed, as by a scheduler: the lock goes with the process
    assert third.claimed(10) == numbers[1]
    assert capfd.readouterr().err.count("waiting for a GPU") == 1
    fourth = start()
    assert fourth.claimed(0.3) is None
    first.end()
    assert fourth.claimed(10) == numbers[0]


def test_jobs_of_several_gpus_do_not_wait_for_each_other_for_ever(start):
    """One that held a GPU while it waited for another would keep both from starting."""
    first = start()
    assert first.claimed(10) == [0]
    pairs = [start(2), start(2)]
    assert [job.claimed(0.3) for job in pairs] == [None, None]
    first.end()
    done = [job for job in pairs if job.pipe.poll(10)]
    assert len(done) == 1 and sorted(done[0].claimed(1)) == [0, 1]
    done[0].end()
    (last,) = [job for job in pairs if job is not done[0]]
    assert sorted(last.claimed(10)) == [0, 1]


def test_more_gpus_than_there_are_are_refused(tmp_path):
    with pytest.raises(PipelineError, match="3 GPUs are wanted .* shows 2; lower it"):
        gpu_lock.claim(["gpu-a", "gpu-b"], 3, tmp_path)


def test_lock_files_are_the_users_own(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr(gpu_lock, "_held", [])
    assert gpu_lock.claim(["gpu-a"]) == [0]
    (folder,) = tmp_path.iterdir()
    assert folder.name.endswith(str(os.getuid())) and folder.stat().st_mode & 0o777 == 0o700


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
    processor = device.prepare_device(threads)
    assert processor == torch.device("cpu") and torch.get_num_threads() == threads
    assert torch.are_deterministic_algorithms_enabled()
    assert device.device_name(processor) == f"cpu, {threads} threads"


def test_gpu_is_one_that_no_other_job_holds(monkeypatch, torch_state, tmp_path, start):
    assert start().claimed(10) == [0]
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(device, "_gpu_names", lambda: ["gpu-a", "gpu-b"])
    monkeypatch.setattr(gpu_lock, "_held", [])
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr(torch.cuda, "set_device", lambda processor: None)
    (tmp_path / "locks").rename(tmp_path / f"pipeline-gpus-{os.getuid()}")
    assert device.prepare_device(1) == torch.device("cuda", 1)


def test_auto_is_mixed_precision_and_channels_last_on_a_gpu_that_has_them(monkeypatch):
    cpu, gpu = torch.device("cpu"), torch.device("cuda", 0)
    for has, expected in ((True, "bfloat16"), (False, "float32")):
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda emulated, has=has: has)
        assert (
            device.resolve_precision("auto", gpu) == expected and device.resolve_precision("auto", cpu) == "float32"
        )
        assert (
            device.resolve_precision("bfloat16", cpu) == "bfloat16"
            and device.resolve_precision("float32", gpu) == "float32"
        )
    assert device.resolve_layout("auto", gpu) == device.resolve_layout("channels_last", cpu) == torch.channels_last
    assert (
        device.resolve_layout("auto", cpu)
        == device.resolve_layout("channels_first", gpu)
        == torch.contiguous_format
    )
