"""What a machine has, as the system says it."""

import os
import subprocess
import sys

from pipeline.compute import machine


def test_cores_are_those_of_the_container(tmp_path, monkeypatch):
    monkeypatch.setattr(machine, "CGROUPS", tmp_path)
    own = len(os.sched_getaffinity(0))
    assert machine.cores() == own
    for text, expected in (("max 100000", own), ("50000 100000", 1), ("100000 100000", 1)):
        (tmp_path / "cpu.max").write_text(text)
        assert machine.cores() == expected


def test_memory_is_that_of_the_container(tmp_path, monkeypatch):
    monkeypatch.setattr(machine, "CGROUPS", tmp_path)
    free, whole = machine.memory()
    assert 0 < free <= whole == os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    (tmp_path / "memory.max").write_text("max")
    assert machine.memory()[1] == whole
    (tmp_path / "memory.max").write_text("1000000")
    (tmp_path / "memory.current").write_text("400000")
    assert machine.memory() == (600_000, 1_000_000)
    # Version 1 of control groups says 'no limit' by a number beyond all memory.
    (tmp_path / "memory.max").unlink()
    (tmp_path / "memory").mkdir()
    (tmp_path / "memory" / "memory.limit_in_bytes").write_text(str(2**63 - 4096))
    assert machine.memory()[1] == whole


def test_free_bytes_are_those_that_users_may_take(tmp_path):
    state = os.statvfs(tmp_path)
    assert 0 < machine.free_bytes(tmp_path) <= state.f_blocks * state.f_frsize
    assert machine.free_bytes(tmp_path / "none") is None


def test_it_is_asked_without_torch():
    code = "import sys, pipeline.compute.machine; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"torch", "numpy", "cv2"} & set(done.stdout.split())
