"""Processes that claim GPUs."""

import pytest
from gpu_jobs import Job


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
