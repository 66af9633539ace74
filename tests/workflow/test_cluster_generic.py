"""Runs on a queue other than Slurm: programs by the names of PBS's, which run jobs here."""

import os
import subprocess
from pathlib import Path

import pytest
from workspace import Workspace, environment, errors

pytest.importorskip(
    "snakemake_executor_plugin_cluster_generic", reason="there is no plug-in for other queues"
)
ROOT = Path(__file__).resolve().parents[2]
TABLE = "results/mini/index.csv"
# Runs the script, the last of its arguments, to its end, and keeps how it ended and was asked for.
QSUB = """\
#!/bin/sh
for script; do :; done
number=$(ls "$QUEUE" | wc -l).head
echo "$@" > "$QUEUE/$number"
sh "$script" > /dev/null 2>&1 && status=0 || status=$?
echo "    Exit_status = $status" >> "$QUEUE/$number"
echo "    job_state = F" >> "$QUEUE/$number"
echo "$number"
"""
QSTAT = """\
#!/bin/sh
[ "$1 $2" = "-x -f" ] && cat "$QUEUE/$3"
"""


@pytest.fixture
def queue(tmp_path) -> Path:
    """A folder of the jobs of a queue, whose programs lie beside it."""
    (tmp_path / "queue").mkdir()
    (tmp_path / "bin").mkdir()
    for name, text in (("qsub", QSUB), ("qstat", QSTAT)):
        (tmp_path / "bin" / name).write_text(text)
        (tmp_path / "bin" / name).chmod(0o755)
    return tmp_path / "queue"


def run(workspace: Workspace, queue: Path) -> subprocess.CompletedProcess:
    workspace.command()
    variables = environment() | {"QUEUE": str(queue), "PIPELINE_MINUTES": "45"}
    return subprocess.run(
        ["snakemake", "--workflow-profile", "workflow/profiles/cluster-generic"]
        + ["--configfile", "mini.yaml", "--seconds-between-status-checks", "1", "--retries", "1"]
        + ["--", TABLE],
        cwd=workspace.folder,
        env=variables | {"PATH": f"{queue.parent / 'bin'}{os.pathsep}{variables['PATH']}"},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=300,
    )


def test_a_queue_runs_jobs_with_what_they_ask_for_and_tells_how_they_ended(queue, tmp_path):
    workspace = Workspace(tmp_path / "run")
    workspace.config["sets"]["mini"]["shards"] = 1
    done = run(workspace, queue)
    assert done.returncode == 0, done.stdout[-4000:]
    assert (workspace.folder / TABLE).is_file()
    asked = [path.read_text() for path in sorted(queue.iterdir())]
    assert len(asked) == 2
    # The program's 1000 MB and Snakemake's around it; an hour, and no more than is allowed.
    assert "-N examine " in asked[0]
    assert "select=1:ncpus=4:mem=1350mb:ngpus=0 -l walltime=00:45:00" in asked[0]
    (workspace.folder / "videos" / "RiseMatched" / "v_RiseMatched_g01_c01.avi").write_text("none")
    done = run(workspace, queue)
    assert done.returncode == 1
    assert "no frame can be decoded" in errors(done.stdout)[0], done.stdout[-4000:]
    # The clip is examined, and the index is tried and tried once more.
    assert len(list(queue.iterdir())) == 5
