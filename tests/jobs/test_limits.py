"""Functions called in a process of their own: results, failures, and what the limits stop."""

import os
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from limit_cases import arrays, fail, interrupt, large

from pipeline.errors import MachineError, PipelineError
from pipeline.jobs import limits


def call(function, path, *arguments, **options):
    return limits.call(function, path, *arguments, cure="write it again", **options)


def test_results_come_back_from_another_process(tmp_path):
    path = tmp_path / "a'b.mat"
    found = call(arrays, path, 6)
    assert found["size"] != os.getpid() and found["none"] is None
    assert found["text"] == f"{path} é \udcff"
    assert found["a"].tolist() == [[0, 3], [1, 4], [2, 5]] and found["a"].dtype == np.float32
    assert found["b"].shape == () and found["b"] == 3 and found["b"].dtype == np.int16
    assert found["empty"].shape == (0, 5) and found["truth"].tolist() == [True, False]


def test_large_arrays_come_back_whole(tmp_path):
    assert (call(large, tmp_path)["a"] == np.arange(3_000_000)).all()


@pytest.mark.parametrize(
    "kind, error, words",
    [
        ("ours", PipelineError, "a.mat: one\ntwo"),
        ("machine", MachineError, "disk full"),
        ("disk", MachineError, "its disk fails"),
        ("hdf5 disk", MachineError, "its disk fails"),
        ("hdf5", PipelineError, "cannot be read (OSError: Can't open"),
        ("deep", PipelineError, "cannot be read (RecursionError: too deep); write it again"),
        ("memory", PipelineError, "more than 4 GB of memory; write it again"),
        ("crash", PipelineError, "crashed (SIGSEGV); write it again"),
        ("abort", PipelineError, "crashed (SIGABRT); write it again"),
        ("exit", PipelineError, "ended without a result (status 3)"),
        ("killed", MachineError, "was killed (signal 9)"),
    ],
)
def test_failures_are_one_error(tmp_path, kind, error, words):
    with pytest.raises(PipelineError) as caught:
        call(fail, tmp_path / "a.mat", kind)
    assert type(caught.value) is error and words in str(caught.value)
    assert kind == "machine" or str(caught.value).startswith(str(tmp_path / "a.mat"))


def test_endless_computing_is_stopped(tmp_path, monkeypatch):
    monkeypatch.setattr(limits, "SECONDS", 1)
    with pytest.raises(PipelineError, match="takes more than 1 seconds; write it") as caught:
        call(fail, tmp_path / "a.mat", "loop")
    assert not isinstance(caught.value, MachineError)


def test_endless_waiting_is_the_machines_fault(tmp_path, monkeypatch):
    monkeypatch.setattr(limits, "SECONDS", 1)
    monkeypatch.setattr(limits, "PATIENCE", 1)
    # The start of the process computes, too.
    monkeypatch.setattr(limits, "COMPUTING", 10)
    with pytest.raises(MachineError, match="not read within 1 seconds"):
        call(fail, tmp_path / "a.mat", "sleep")


def test_endless_computing_on_a_busy_machine_is_no_fault_of_the_disk(tmp_path, monkeypatch):
    monkeypatch.setattr(limits, "SECONDS", 100)
    monkeypatch.setattr(limits, "PATIENCE", 0.02)
    monkeypatch.setattr(limits, "COMPUTING", 0.0001)
    with pytest.raises(PipelineError, match="takes more than 100 seconds; write it") as caught:
        call(fail, tmp_path / "a.mat", "loop")
    assert not isinstance(caught.value, MachineError)


def test_large_files_get_more_time(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(limits, "_receive", lambda *given: seen.append(given) or {})
    monkeypatch.setattr(limits, "Timer", lambda wait, _: seen.append(wait) or Nothing())
    path = tmp_path / "large.mat"
    with open(path, "wb") as file:
        file.truncate(100 << 20)
    call(arrays, path, 6)
    assert seen[0] == 10 * (30 + 10)


class Nothing:
    def start(self):
        pass

    cancel = start


def test_an_interrupt_ends_both_processes(tmp_path):
    before = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        call(interrupt, tmp_path)
    assert time.monotonic() - before < 20


def test_a_module_in_the_working_folder_is_not_taken_for_a_library(tmp_path, monkeypatch):
    (tmp_path / "json.py").write_text("raise SystemExit('hostile')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry not in ("", ".")])
    assert call(large, Path("a"))["a"].size == 3_000_000
