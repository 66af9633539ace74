"""Locks on GPUs: no two jobs share a GPU."""

import os
import tempfile

import pytest

from pipeline.compute import gpu_lock
from pipeline.errors import PipelineError


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
