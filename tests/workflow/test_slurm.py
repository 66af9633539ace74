"""Runs on a real Slurm: jobs are cancelled, lost, stopped at their time limit and killed for
memory, and the numbers are those of a run on this machine alone.
"""

import json
import os
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

import doc_blocks
import psutil
import pytest
import slurm_cluster
from slurm_cluster import SlurmCluster
from workspace import RESULT, Workspace, environment, errors

TEACHER = "results/mini/split1/motion/teacher"
# Seconds between two looks at the cluster, and for a run with all that happens to it.
INTERVAL, PATIENCE = 0.1, 600
# The variable that asks for these tests: by any value for those of two minutes, by WHOLE for all.
ASKED, WHOLE = "PIPELINE_TEST_SLURM", "whole"
# The command of docs/cluster.md, for this set; a run of minutes is looked at more often.
PAGE = doc_blocks.commands(doc_blocks.blocks("cluster.md", doc_blocks.COMMANDS)[0])[0]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory) -> Iterator[SlurmCluster]:
    if ASKED not in os.environ:
        pytest.skip(f"it takes two to ten minutes: make slurm, or {ASKED}=1")
    if reason := slurm_cluster.missing():
        pytest.skip(reason)
    with SlurmCluster(tmp_path_factory.mktemp("slurm")) as found:
        yield found


@pytest.fixture(scope="module")
def fresh(tmp_path_factory) -> Workspace:
    """A workspace in which nothing is made; its trainings take some seconds, and groups at their
    first try ask for less memory than they need.
    """
    workspace = Workspace(tmp_path_factory.mktemp("run") / "fresh")
    workspace.config["sets"]["mini"]["shards"] = 2
    workspace.settings["teacher"] |= {"iterations": 200, "checkpoint_every": 2}
    workspace.settings["idt"] = {"enabled": False}
    rule = workspace.folder / "workflow" / "rules" / "groups.smk"
    asked = "NEEDS.memory(8000)"
    assert asked in rule.read_text()
    rule.write_text(
        rule.read_text().replace(asked, "lambda wildcards, attempt: 200 if attempt == 1 else 4000")
    )
    return workspace


@pytest.fixture(scope="module")
def local(fresh) -> Workspace:
    """A copy of it with the result of a run on this machine."""
    folder = fresh.folder.with_name("local")
    shutil.copytree(fresh.folder, folder)
    workspace = fresh.moved(folder)
    workspace.make()
    return workspace


class ClusterRun:
    """The command of the page in a workspace, with what it prints in a file."""

    def __init__(
        self, cluster: SlurmCluster, workspace: Workspace, *options: str, **variables: str
    ):
        self.cluster, self.workspace = cluster, workspace
        workspace.command()
        before, target = PAGE.replace("slurm_account=NAME", "slurm_partition=main").split(" -- ")
        assert target == "results/ucf101/split1/acc.json"
        own = ["--configfile", "mini.yaml", "--slurm-init-seconds-before-status-checks", "2"]
        command = [*shlex.split(before), *own, *options, "--", RESULT]
        programs = environment()
        self.output = workspace.folder / "printed.txt"
        with open(self.output, "w") as output:
            self.process = subprocess.Popen(
                command,
                cwd=workspace.folder,
                env={
                    **cluster.environment,
                    **programs,
                    "PATH": f"{cluster.folder / 'bin'}{os.pathsep}{programs['PATH']}",
                    **variables,
                },
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def text(self) -> str:
        return self.output.read_text()

    def wait_for(self, what: str, condition: Callable):
        """Return what `condition` returns once it is true of something."""
        end = time.monotonic() + PATIENCE
        while not (found := condition()):
            assert self.process.poll() is None, f"ended before {what}:\n{self.text[-4000:]}"
            assert time.monotonic() < end, f"{what}:\n{self.text[-4000:]}\n{self.cluster.logs()}"
            time.sleep(INTERVAL)
        return found

    def running(self, rule: str) -> str:
        """The number of a job of a rule that runs now, '' where none does."""
        found = self.cluster.comments().items()
        return next((job for job, comment in found if comment.startswith(f"rule_{rule}_")), "")

    def end(self) -> int:
        """Wait for the end of the run; returns its status."""
        return self.process.wait(PATIENCE)

    def kill(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)


@pytest.fixture
def begin(cluster) -> Iterator[Callable[..., ClusterRun]]:
    """Begins runs, none of which outlives the test."""
    runs = []

    def start(*arguments, **variables) -> ClusterRun:
        runs.append(ClusterRun(cluster, *arguments, **variables))
        return runs[-1]

    yield start
    for run in runs:
        run.kill()


def test_whatever_ends_jobs_the_numbers_are_those_of_this_machine(begin, cluster, fresh, local):
    if os.environ[ASKED] != WHOLE:
        pytest.skip(f"it takes five minutes more: make slurm, or {ASKED}={WHOLE}")
    run = begin(fresh)
    cancelled = run.wait_for("frames are decoded", lambda: run.running("frames"))
    cluster.run("scancel", cancelled)
    lost = run.wait_for("flow is computed", lambda: run.running("flow"))
    node = cluster.run("squeue", "-h", "-j", lost, "-o", "%N").strip()
    cluster.lose_node(node)
    run.wait_for("the node is missed", lambda: cluster.jobs().get(lost) == "NODE_FAIL")
    cluster.start_node(node)
    training = run.wait_for("a teacher is trained", lambda: stopped_teacher(run))
    cluster.run("scontrol", "update", f"JobId={training}", "TimeLimit=1")
    assert run.end() == 0, run.text[-6000:]
    said = run.text
    assert "it was cancelled; it is submitted again" in said, said
    assert "its node was lost; it is submitted again" in said, said
    assert "its time limit of 720 minutes ended; it is submitted again; its log: " in said, said
    assert "memory ran out: it had asked for 200 MB; it is submitted again and asks for " in said
    own, of_this_machine = json.loads(fresh.read(RESULT)), json.loads(local.read(RESULT))
    assert own["accuracy"] == of_this_machine["accuracy"] and own["clips"] == 16
    # The content of all that was made: stored frames and flow, their listings, networks, scores.
    names = [
        name
        for path in local.folder.glob("results/mini/**/*.content.json")
        if "/." not in (name := str(path.relative_to(local.folder)))
    ]
    assert len(names) == 21
    assert [name for name in names if fresh.read(name) != local.read(name)] == []


def stopped_teacher(run: ClusterRun) -> str:
    """Stop the program of a teacher that has written a checkpoint; returns its job's number."""
    folder = run.workspace.folder
    if any(folder.glob("results/mini/split1/*/.checkpoints/teacher/*")):
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                is_teacher = any(word.endswith("/teacher.py") for word in process.cmdline()[:2])
                if is_teacher and process.cwd() == str(folder.resolve()):
                    process.suspend()
                    return process.environ()["SLURM_JOB_ID"]
    return ""


def test_what_a_cluster_refuses_is_said_and_takes_nothing_away(begin, cluster, local):
    before = local.read(f"{TEACHER}.pt")
    again = ("--forcerun", "teacher")
    run = begin(local, *again, "--set-resources", "teacher:slurm_partition=nope")
    assert run.end() == 1
    refused = "Slurm refuses the job (invalid partition specified: nope); `sinfo` lists the "
    assert [line.partition("; its log")[0] for line in errors(run.text)] == [
        f"rule teacher: {refused}partitions; --default-resources slurm_partition=NAME chooses one"
    ], run.text
    # One line for each of both teachers, none of which is tried again or shows the log of its
    # earlier run.
    assert run.text.count(refused) == 3 and "its log" not in run.text
    run = begin(local, *again, PIPELINE_GPUS="gpu:h100")
    assert run.end() == 1
    [said] = errors(run.text)
    assert said.startswith("rule teacher: Slurm refuses the job (") and "PIPELINE_GPUS=none" in said
    assert "1 cores and 8350 MB, gpu:h100:1" in said
    run = begin(local, *again, "--set-resources", "teacher:slurm_partition=short")
    run.wait_for("a job waits in vain", lambda: "rule teacher waits in vain: " in run.text)
    assert "more time than its partition allows; begin with a lower PIPELINE_MINUTES" in run.text
    # Ctrl-C leaves nothing in the queue.
    run.process.send_signal(signal.SIGINT)
    assert run.end() == 130, run.text
    assert not {"PENDING", "RUNNING"} & set(cluster.jobs().values())
    assert local.read(f"{TEACHER}.pt") == before
