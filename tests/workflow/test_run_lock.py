"""One run at a time in a folder; what a killed one leaves is cleared away, and nothing else is."""

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipeline.errors import MachineError, PipelineError
from pipeline.jobs import watch
from pipeline.workflow import run_lock
from pipeline.workflow.run_lock import RunLock

# A run in the current folder, with a lock of Snakemake's own; it may leave a job behind.
HOLDER = """
import os, subprocess, sys, time
from pipeline.jobs import watch
from pipeline.workflow.run_lock import RunLock
lock = RunLock()
lock.take()
open(".snakemake/locks/0.input.lock", "w").close()
os.environ[watch.VARIABLE] = lock.for_jobs()
job = '''
import time
from pipeline.jobs import watch
watch.join_run()
print(flush=True)
time.sleep(60)
'''
if sys.argv[1:] == ["job"]:
    subprocess.Popen([sys.executable, "-c", job])
else:
    print(flush=True)
time.sleep(60)
"""


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".snakemake" / "locks").mkdir(parents=True)
    return tmp_path


def holder(*arguments: str) -> subprocess.Popen:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, *arguments], stdout=subprocess.PIPE, text=True
    )
    process.stdout.readline()
    return process


def locks_of_snakemake() -> list[str]:
    return os.listdir(".snakemake/locks")


def test_a_run_beside_another_is_refused_and_touches_nothing():
    process = holder()
    before = Path(".snakemake/pipeline.lock").read_bytes()
    with pytest.raises(PipelineError) as refused:
        RunLock().take()
    assert f"another run works in this folder (process {process.pid} on " in str(refused.value)
    assert str(refused.value).endswith("wait for it, or look with `snakemake -n`")
    assert locks_of_snakemake() == ["0.input.lock"]
    assert Path(".snakemake/pipeline.lock").read_bytes() == before
    # Stopped it holds its lock all the same.
    process.send_signal(signal.SIGSTOP)
    with pytest.raises(PipelineError, match="another run works"):
        RunLock().take()
    process.kill()
    process.wait()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_what_a_killed_run_left_is_removed(number):
    process = holder()
    process.send_signal(number)
    process.wait()
    assert locks_of_snakemake()
    lock = RunLock()
    lock.take()
    assert not locks_of_snakemake() and lock.record["process"] == os.getpid()


def test_locks_that_no_run_of_ours_has_made_are_left_to_snakemake():
    Path(".snakemake/locks/0.input.lock").touch()
    RunLock().take()
    assert locks_of_snakemake()


def test_after_an_orderly_end_there_is_nothing_to_clear_away():
    lock = RunLock()
    lock.take()
    record = json.loads(Path(".snakemake/pipeline.lock").read_text())
    assert record["stopping"] is False and record["started"] == watch.start_time(os.getpid())
    lock.stop_jobs()
    text = Path(".snakemake/pipeline.lock").read_text()
    assert json.loads(text)["stopping"] is True
    assert len(text) == len(json.dumps(record, indent=1)), "a full disk has no room for more"
    lock.release()
    assert Path(".snakemake/pipeline.lock").read_text() == ""


def test_jobs_of_a_killed_run_are_waited_for(capsys):
    process = holder("job")
    process.kill()
    process.wait()
    begun = time.monotonic()
    RunLock().take()
    assert time.monotonic() - begun < 20
    assert f"(process {process.pid}) to stop" in capsys.readouterr().err
    # It did end, and was not merely passed over.
    with open(".snakemake/pipeline.jobs") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def left_behind(**changes) -> None:
    """The record of a run that was killed."""
    lock = RunLock()
    lock.take()
    os.close(lock.file)
    path = Path(".snakemake/pipeline.lock")
    dead = {"process": 2**22 - 1, "started": "1"}
    path.write_text(json.dumps(json.loads(path.read_text()) | dead | changes))


@pytest.mark.parametrize(
    "changes, kind, taken",
    [
        ({"namespace": "another container"}, "", True),
        ({"host": "elsewhere"}, "", True),
        ({"host": "elsewhere", "namespace": "another boot"}, "ext4", True),
        ({"host": "elsewhere", "namespace": "another boot"}, "nfs4", True),
        ({"host": "elsewhere", "namespace": "another boot"}, "lustre", False),
        ({"host": "elsewhere", "namespace": "another boot"}, "", False),
    ],
)
def test_a_run_of_another_machine_counts_where_locks_do_not_reach_it(
    monkeypatch, changes, kind, taken
):
    """After a reboot the host is the same, in a new container the boot is."""
    left_behind(**changes)
    monkeypatch.setattr(run_lock, "_file_system", lambda path: kind)
    if taken:
        return RunLock().take()
    with pytest.raises(PipelineError) as refused:
        RunLock().take()
    assert "another run may work in this folder (process 4194303 on elsewhere" in str(refused.value)
    assert "run the same command there, or delete .snakemake/pipeline.lock" in str(refused.value)


@pytest.mark.parametrize("alive", [True, False])
def test_without_locks_of_the_file_system_the_process_tells(monkeypatch, alive):
    process = {"process": os.getpid(), "started": watch.start_time(os.getpid())} if alive else {}
    left_behind(**process)

    def without_locks(*_) -> None:
        raise OSError(run_lock.errno.ENOLCK, "No locks available")

    monkeypatch.setattr(run_lock.fcntl, "flock", without_locks)
    if alive:
        with pytest.raises(PipelineError, match="another run works in this folder"):
            RunLock().take()
    else:
        RunLock().take()


def test_a_file_system_is_found_by_its_mount():
    assert run_lock._file_system(Path("/proc/self/stat")) == "proc"


def test_a_folder_that_cannot_be_written_is_named(here):
    shutil.rmtree(".snakemake")
    Path(".snakemake").touch()
    with pytest.raises(MachineError) as refused:
        RunLock().take()
    assert str(refused.value).startswith(f"{here}: nothing can be made here, since ")
