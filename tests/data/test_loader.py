"""Batches of any dataset: which, in what order, from which process, and what becomes of errors."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.data import loader, memory
from pipeline.data.batch import RawBatch
from pipeline.data.batched import BatchedDataset
from pipeline.errors import PipelineError

CPU = torch.device("cpu")


class Numbers(BatchedDataset):
    """Sample n has n as an array and as a label, and the process that read it; 13 is broken."""

    def __getitem__(self, index: int) -> dict:
        if index == 13:
            raise PipelineError("000.h5: broken; mend it")
        return {"input": np.full((2, 3), index, np.uint8), "label": index, "process": os.getpid()}


@pytest.mark.parametrize("workers", [0, 1, 2])
@pytest.mark.parametrize("numbers", [range(0, 12), range(5, 12), range(20, 60, 3), range(4, 4)])
def test_batches_are_the_numbers_in_their_order(numbers, workers):
    found = list(loader.iterate_batches(Numbers(), numbers, 4, CPU, workers))
    assert [len(batch["label"]) for batch in found] == [
        len(numbers[i : i + 4]) for i in range(0, len(numbers), 4)
    ]
    assert [int(label) for batch in found for label in batch["label"]] == list(numbers)
    for batch in found:
        assert batch["input"].dtype == torch.uint8 and batch["input"].shape[1:] == (2, 3)
        assert (batch["input"] == batch["label"][:, None, None]).all()
    processes = {int(process) for batch in found for process in batch["process"]}
    assert (
        os.getpid() in processes if not workers and len(numbers) else os.getpid() not in processes
    )
    assert len(processes) == (min(workers, len(found)) if workers else bool(len(numbers)))


@pytest.mark.parametrize("workers", [0, 2])
def test_an_error_stays_one_sentence(workers):
    found = loader.iterate_batches(Numbers(), range(8, 20), 4, CPU, workers)
    assert next(found)["label"].tolist() == [8, 9, 10, 11]
    with pytest.raises(PipelineError) as caught:
        next(found)
    assert str(caught.value) == "000.h5: broken; mend it"


@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
def test_batches_are_equal_under_every_start_method(method, tmp_path):
    (tmp_path / "squares.py").write_text(SQUARES)
    done = subprocess.run(
        [sys.executable, tmp_path / "squares.py", method],
        capture_output=True,
        text=True,
        timeout=120,
    )
    expected = [[n**2 for n in range(i, min(i + 4, 14))] for i in range(3, 14, 4)]
    lines = [*(f"{squares} OpenCV threads: 1" for squares in expected), "14 is broken; mend it"]
    assert done.stdout.splitlines() == lines, done.stderr[-2000:]


SQUARES = """
import cv2, multiprocessing, sys, torch
from pipeline.data import loader, memory
from pipeline.data.batched import BatchedDataset
from pipeline.errors import PipelineError

class Squares(BatchedDataset):
    def __getitem__(self, index):
        if index == 14:
            raise PipelineError("14 is broken; mend it")
        return index

    def collate(self, items, device_type):
        batch = memory.batch((len(items),))
        batch.copy_(torch.tensor([item**2 for item in items]))
        return {"square": batch, "threads": cv2.getNumThreads()}

if __name__ == "__main__":
    multiprocessing.set_start_method(sys.argv[1])
    cpu = torch.device("cpu")
    for batch in loader.iterate_batches(Squares(), range(3, 14), 4, cpu, 2):
        print(batch["square"].tolist(), "OpenCV threads:", batch["threads"])
    try:
        list(loader.iterate_batches(Squares(), range(10, 16), 2, cpu, 2))
    except PipelineError as error:
        print(error)
"""


def test_moved_keeps_what_is_no_tensor():
    packed = RawBatch(torch.zeros(3), torch.ones(1), [(1, 2)], [True], torch.ones(1), torch.ones(1))
    found = loader.to_device({"a": packed, "b": "text"}, torch.device("meta"))
    assert (
        found["a"].pixels.device.type == "meta"
        and found["a"].shapes == [(1, 2)]
        and found["b"] == "text"
    )


class Large(Numbers):
    """Batches of a large and a small tensor in recycled memory; a sample is its index all over."""

    def __getitem__(self, index: int) -> int:
        return index

    def collate(self, numbers: list[int], device_type: str) -> dict:
        large, small = memory.batch((len(numbers), 300, 1000)), memory.batch((len(numbers), 10))
        for number, *tensors in zip(numbers, large, small, strict=True):
            for tensor in tensors:
                tensor.fill_(number)
        return {"large": large, "small": small, "address": large.data_ptr()}


def right(batch: dict, numbers: range) -> bool:
    return all(
        batch[name].shape[0] == len(numbers)
        and all((part == number).all() for part, number in zip(batch[name], numbers, strict=True))
        for name in ("large", "small")
    )


@pytest.mark.parametrize("room", [2**29, 1000, 8, 2**62])
@pytest.mark.parametrize("workers", [0, 1, 2])
def test_memory_of_batches_is_used_again_but_not_while_anything_refers_to_it(
    monkeypatch, workers, room
):
    """The test holds all batches, then a part of each, then the last one only.

    Slots are large enough, or for the small tensors only, or for none, or cannot be had.
    """
    monkeypatch.setattr(memory, "SLOT_BYTES", room)
    numbers = [range(start, start + 4) for start in range(0, 120, 4)]
    every = list(loader.iterate_batches(Large(), range(120), 4, CPU, workers))
    assert len(every) == 30 and all(right(*pair) for pair in zip(every, numbers, strict=True))
    parts = [
        batch["large"][2, 7].numpy()[3:]
        for batch in loader.iterate_batches(Large(), range(120), 4, CPU, workers)
    ]
    assert [int(part[0]) for part in parts] == [part[2] for part in numbers]
    assert all((part == part[0]).all() for part in parts)
    addresses = set()
    for batch, part in zip(
        loader.iterate_batches(Large(), range(120), 4, CPU, workers), numbers, strict=True
    ):
        assert right(batch, part)
        addresses.add((part.start // 4 % workers if workers else 0, batch["address"]))
    if room == 2**29:
        assert len(addresses) <= max(workers, 1) * memory_kept(workers)


def memory_kept(workers: int) -> int:
    """How many large tensors a process recycles at most."""
    return loader.STREAMS_PER_BATCH * (loader.PREFETCH + 1) if workers else memory.MAX_BLOCKS


def test_loaders_that_are_left_in_the_middle_and_side_by_side():
    first, second = (
        loader.iterate_batches(Large(), range(start, 400), 4, CPU, 2) for start in (0, 200)
    )
    for start in range(0, 40, 4):
        assert right(next(first), range(start, start + 4)) and right(
            next(second), range(200 + start, 204 + start)
        )
    first.close()
    assert right(next(second), range(240, 244))
    third = loader.iterate_batches(Large(), range(100, 120), 4, CPU, 1)
    assert right(next(third), range(100, 104)) and right(next(second), range(244, 248))


FORKED = """
import cv2, numpy as np, torch
from pipeline.data import loader
from pipeline.data.batched import BatchedDataset

class Pictures(BatchedDataset):
    def __getitem__(self, index):
        return {"x": cv2.resize(PICTURE, (900, 900))}

PICTURE = np.zeros((2000, 2000, 3), np.uint8)
cv2.setNumThreads(2)
# This starts OpenCV's threads.
cv2.GaussianBlur(PICTURE, (9, 9), 2)
batches = loader.iterate_batches(Pictures(), range(8), 2, torch.device("cpu"), 2)
print(sum(len(batch["x"]) for batch in batches))
"""


def test_workers_do_not_wait_for_threads_of_the_process_that_they_are_forks_of():
    """OpenCV's pool, once used, is broken in a fork: a worker that changes its size hangs."""
    done = subprocess.run(
        [sys.executable, "-c", FORKED], capture_output=True, text=True, timeout=120
    )
    assert done.stdout.split() == ["8"], done.stderr[-2000:]


@pytest.mark.parametrize(
    "error, shown", [(EOFError(), 0), (ConnectionResetError(), 0), (ValueError("wrong"), 1)]
)
def test_a_worker_does_not_complain_of_a_process_that_has_ended(error, shown, capsys):
    """Its thread, which hands batches over, would print a traceback above the sentence."""
    loader._say_unless_left(type(error), error, None)
    assert ("wrong" in capsys.readouterr().err) == bool(shown)


SLOW = """
import os, sys, time, torch
from pipeline.data import loader
from pipeline.data.batched import BatchedDataset
from pipeline.jobs import program

class Slow(BatchedDataset):
    def __getitem__(self, index):
        time.sleep(0.01)
        return {"process": os.getpid()}

def main():
    for batch in loader.iterate_batches(Slow(), range(100000), 2, torch.device("cpu"), 2):
        print(int(batch["process"][0]), flush=True)

program.run(main)
"""


@pytest.mark.parametrize("number, name", [(signal.SIGKILL, "Killed"), (signal.SIGBUS, "Bus error")])
def test_a_worker_that_is_killed_is_named_in_a_sentence(number, name):
    process = subprocess.Popen(
        [sys.executable, "-c", SLOW], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    worker = int(process.stdout.readline())
    os.kill(worker, number)
    _, printed = process.communicate(timeout=120)
    line = printed.strip().splitlines()[-1].lstrip("\0")
    assert process.returncode == 1 and "Traceback" not in printed, printed
    assert line.startswith("error: a process that reads batches for the network was killed ")
    # Where the loader finds the worker gone before the signal is told, torch has no name for it.
    assert f"(process {worker}: {name})" in line or f"(process {worker}: no message)" in line
    assert line.endswith("compute.workers; the same command goes on")


def test_workers_end_with_their_process():
    process = subprocess.Popen(
        [sys.executable, "-c", SLOW], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    workers = {process.stdout.readline().strip() for _ in range(8)}
    assert len(workers) == 2
    process.kill()
    process.communicate()
    deadline = time.monotonic() + 30
    # torch's workers look for their parent every five seconds.
    while any(Path(f"/proc/{worker}").exists() for worker in workers):
        assert time.monotonic() < deadline
        time.sleep(0.1)
