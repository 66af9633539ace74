"""A job ends with its run: when Snakemake or a shell above it dies, or the run says so."""

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipeline.jobs import watch

# Joins the run and then sleeps; on SIGTERM it ends with status 5.
JOB = """
import signal, sys, time
from pipeline.jobs import watch
signal.signal(signal.SIGTERM, lambda *_: sys.exit(5))
watch.join_run()
print("joined", flush=True)
time.sleep(30)
"""
# Stands for Snakemake: starts a shell, which starts the job, and says who it is.
RUN = """
import os, subprocess, sys
from pipeline.jobs import watch
import json
run = {"process": os.getpid(), "started": watch.start_time(os.getpid()),
       "namespace": watch.namespace(), "record": sys.argv[1], "jobs": sys.argv[2]}
os.environ[watch.VARIABLE] = json.dumps(run)
subprocess.run(["bash", "-c", 'trap : TERM; "$0" -c "$1"; exit $?', sys.executable, sys.argv[3]])
"""


def start(folder: Path) -> tuple[subprocess.Popen, int, int]:
    """Start a run with a shell and a job; return it and the numbers of the two others."""
    run = subprocess.Popen(
        [sys.executable, "-c", RUN, folder / "lock", folder / "jobs", JOB],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert run.stdout.readline() == "joined\n"
    (shell,) = children(run.pid)
    (job,) = children(shell)
    return run, shell, job


def children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def ends(pid: int, within: float = 5) -> bool:
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        if watch.start_time(pid) is None:
            return True
        time.sleep(0.05)
    return False


@pytest.mark.parametrize("victim", ["run", "shell"])
def test_a_job_ends_when_snakemake_or_its_shell_is_killed(tmp_path, victim):
    run, shell, job = start(tmp_path)
    os.kill(run.pid if victim == "run" else shell, signal.SIGKILL)
    # While nobody has waited for it the run is a zombie, which is as dead.
    assert ends(job)
    run.kill()
    run.wait()


def test_a_job_ends_when_the_record_says_that_the_run_stops(tmp_path):
    run, _, job = start(tmp_path)
    record = {"process": run.pid, "started": watch.start_time(run.pid)}
    (tmp_path / "lock").write_text(json.dumps(record | {"stopping": False}))
    assert not ends(job, within=2.5)
    (tmp_path / "lock").write_text("{half a rec")
    assert not ends(job, within=1.5)
    (tmp_path / "lock").write_text(json.dumps(record | {"stopping": True}))
    assert ends(job)
    run.wait()


def test_a_job_holds_the_lock_of_jobs_while_it_lives(tmp_path):
    run, _, job = start(tmp_path)
    with open(tmp_path / "jobs") as file:
        with pytest.raises(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        run.kill()
        run.wait()
        assert ends(job)
        # A thread of it may end a moment later.
        fcntl.flock(file, fcntl.LOCK_EX)


def test_a_job_whose_run_has_ended_does_not_begin(tmp_path, monkeypatch):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    run = {
        "process": dead.pid,
        "started": "1",
        "namespace": watch.namespace(),
        "record": str(tmp_path / "lock"),
        "jobs": str(tmp_path / "jobs"),
    }
    monkeypatch.setenv(watch.VARIABLE, json.dumps(run))
    with pytest.raises(SystemExit) as ended:
        watch.join_run()
    assert ended.value.code == 128 + signal.SIGTERM
    # On another machine, or in another container, these numbers say nothing.
    monkeypatch.setenv(watch.VARIABLE, json.dumps(run | {"namespace": "elsewhere"}))
    watch.join_run()


@pytest.mark.parametrize("value", ["", None])
def test_a_program_that_is_no_job_goes_on_alone(monkeypatch, value):
    monkeypatch.delenv(watch.VARIABLE, raising=False)
    if value is not None:
        monkeypatch.setenv(watch.VARIABLE, value)
    watch.join_run()
    assert not watch.is_job()


def test_a_process_is_known_by_its_start():
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    assert int(watch.start_time(process.pid)) >= int(watch.start_time(os.getpid()))
    process.kill()
    assert ends(process.pid)
    process.wait()
