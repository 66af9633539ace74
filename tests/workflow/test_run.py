"""A run of Snakemake: alone in its folder, stopped in order, with a clear last line."""

import os
import signal
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest
from waiting import wait_for
from workspace import Workspace, environment

from pipeline.workflow import run
from pipeline.workflow.cluster import ClusterJobs

FLOW = "results/mini/flow/000.h5"


@pytest.fixture(scope="module")
def workspace(tmp_path_factory) -> Workspace:
    """A workspace whose flow takes long enough to be met at work."""
    made = Workspace(tmp_path_factory.mktemp("run"))
    # Minutes of work, which no test waits for: on a busy machine other commands take their time.
    made.settings["flow"] |= {"epsilon": 0.0, "outer": 60, "warps": 5}
    return made


def last_line(text: str) -> str:
    return text.strip().splitlines()[-1]


def start(workspace: Workspace, log: Path) -> subprocess.Popen:
    """Start a run and wait until its flow is being computed, which its own log says."""
    of_job = workspace.folder / "results/mini/logs/flow/000.log"
    of_job.unlink(missing_ok=True)
    with open(log, "w") as file:
        process = subprocess.Popen(
            workspace.command("--", FLOW),
            cwd=workspace.folder,
            env=environment(),
            start_new_session=True,
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    wait_for(lambda: of_job.is_file() and "pairs" in of_job.read_text(), 300)
    return process


def test_beside_a_run_nothing_is_made_and_all_may_look(workspace, tmp_path):
    process = start(workspace, tmp_path / "log")
    refused = workspace.snakemake(target="results/mini/frames/000.h5")
    assert refused.returncode == 1
    said = f"error: another run works in this folder (process {process.pid} on "
    assert last_line(refused.stdout).startswith(said)
    assert "Traceback" not in refused.stdout and "localrule" not in refused.stdout
    unlocked = workspace.snakemake("--unlock", target=FLOW)
    assert unlocked.returncode == 1 and last_line(unlocked.stdout).startswith(said)
    for look in ("-n", "--summary", "--list-rules"):
        assert workspace.snakemake(look, target=FLOW).returncode == 0, look
    assert process.poll() is None, "the run was over before all had looked"
    # Ctrl-C goes to all processes of a terminal.
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(timeout=60) == 130
    after = (tmp_path / "log").read_text()
    # The last words are the run's own, whatever a job that was about to end has said meanwhile.
    assert last_line(after) == "interrupted; the same command goes on"
    assert "Error" not in after and "Traceback" not in after and "error: " not in after, after
    stopped = start(workspace, tmp_path / "log")
    stopped.send_signal(signal.SIGTERM)
    assert stopped.wait(timeout=60) == 143
    after = (tmp_path / "log").read_text()
    assert last_line(after) == "stopped by SIGTERM; the same command goes on"
    assert "Error" not in after and "Traceback" not in after, after


def test_a_run_shows_a_line_for_each_job_and_says_where_all_is(workspace):
    printed = workspace.make("results/mini/frames/001.h5")
    first, *jobs = printed[printed.index("2 jobs") :].strip().splitlines()
    log = first.removeprefix("2 jobs; the full log: ")
    assert "rule frames:" in (workspace.folder / log).read_text()
    assert [line.split()[:-2] for line in jobs] == [
        ["1/2", "examine", "mini", "001"],
        ["2/2", "frames", "mini", "001"],
    ]
    assert all(line.endswith(" s") and len(line) < 80 for line in jobs)
    whole = workspace.snakemake(
        "--verbose", "--forcerun", "frames", target="results/mini/frames/001.h5"
    )
    of_job = workspace.read("results/mini/logs/frames/001.log").decode()
    assert "rule frames:" in whole.stdout and of_job.strip() and of_job in whole.stdout


def test_a_killed_program_is_named_at_the_end(workspace, tmp_path):
    process = start(workspace, tmp_path / "log")
    (program,) = [
        int(path.parent.name)
        for path in Path("/proc").glob("[0-9]*/cmdline")
        if b"/flow.py" in (words := read(path))
        and words.startswith(b"python\0")
        and os.readlink(path.parent / "cwd") == str(workspace.folder)
    ]
    os.kill(program, signal.SIGKILL)
    assert process.wait(timeout=60) == 1
    assert last_line((tmp_path / "log").read_text()) == (
        "error: the program was killed (signal 9), as is done where memory ran out; lower "
        "compute.workers or --cores; the same command goes on (it had asked for 2000 MB)"
    )


def read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


class Disk(SimpleNamespace):
    """What os.statvfs says of a disk: by default one with room."""

    f_frsize, f_bavail, f_files, f_favail = 4096, 10**6, 10**6, 10**6


@pytest.mark.parametrize(
    "state, expected",
    [
        ({}, []),
        ({"f_bavail": 3}, ["error: disk full: 12,288 bytes are free for here; free some space, "]),
        ({"f_favail": 0}, ["error: disk full: no more files can be made in here; free some"]),
        # Some file systems do not count files.
        ({"f_files": 0, "f_favail": 0}, []),
    ],
)
def test_full_disks_are_named(monkeypatch, state, expected):
    monkeypatch.setattr(os, "statvfs", lambda folder: Disk(**state))
    found = run._full_disks(["here", "here"])
    assert len(found) == len(expected)
    assert all(line.startswith(start) for line, start in zip(found, expected, strict=True))


class FailedJob(SimpleNamespace):
    """A job of Snakemake's, which is a key of what is said of jobs."""

    __hash__ = object.__hash__


def test_words_of_a_failed_job(tmp_path):
    log = tmp_path / "flow.log"
    job = SimpleNamespace(
        log=[str(log)], rule=SimpleNamespace(name="flow"), resources={"mem_mb": 2000}
    )
    ended = f"error: rule flow was ended; the same command goes on; its log: {log}"
    assert run._words_of_job(job) == [ended]
    log.write_text("flow 000: 3 pairs\nTraceback (most recent call last):\n")
    assert run._words_of_job(job) == [
        f"error: rule flow failed by a fault of the program; its log: {log}"
    ]
    log.write_text("\0error: a.avi: broken\n")
    assert run._words_of_job(job) == ["error: a.avi: broken"]
    log.write_text("flow 000: 3 pairs\nerror: a.avi: broken\nerror: b.avi: broken\n")
    assert run._words_of_job(job) == ["error: a.avi: broken", "error: b.avi: broken"]
    log.write_text("error: memory ran out; lower --cores\n")
    assert run._words_of_job(job) == [
        "error: memory ran out; lower --cores (it had asked for 2000 MB)"
    ]


def test_a_job_that_a_cluster_ended_is_told_in_its_words(tmp_path):
    log = tmp_path / "flow.log"
    job = FailedJob(log=[str(log)], rule=SimpleNamespace(name="flow"), resources={})
    said = "its node was lost; the same command goes on"
    # It did not begin: it has no log.
    assert run._words_of_job(job, said) == [f"error: rule flow: {said}"]
    log.write_text("error: the program was killed (signal 9)\n")
    assert run._words_of_job(job, said) == [f"error: rule flow: {said}; its log: {log}"]


def test_of_many_sentences_the_last_ones_are_told_and_where_the_others_are(tmp_path):
    log = tmp_path / "index.log"
    log.write_text("".join(f"error: {number}.avi: broken\n" for number in range(13)))
    failed = FailedJob(log=[str(log)], rule=SimpleNamespace(name="index"), resources={})
    workflow = SimpleNamespace(scheduler=SimpleNamespace(failed=[failed]))
    own = SimpleNamespace(workflow=workflow, cluster=ClusterJobs())
    lines = run.Run._last_words(own, RuntimeError())
    assert lines[:10] == [f"error: {number}.avi: broken" for number in range(3, 13)]
    assert lines[10:] == ["error: and 3 more, in the logs of the jobs that failed"]
