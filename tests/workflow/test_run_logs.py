"""What Snakemake's logs say, as Snakemake writes them."""

import time
from pathlib import Path

from pipeline.workflow import run_logs
from pipeline.workflow.run_logs import Failure

HEAD = """\
Config file /p/config.yaml is extended by additional config specified via the command line.

SNAKEMAKE
=========
  Command: snakemake --cores 2 --configfile a.yaml "it's b.yaml" -- results/mini/split1/acc.json
  Config file(s): [PosixPath('/p/a.yaml'), PosixPath("/p/it's b.yaml"), PosixPath('/p/config.yaml')]
"""
FAILED = """\
[Wed Nov 25 21:53:51 2026]
Error in rule flow:
    message: SLURM-job '17' failed, SLURM status is: 'TIMEOUT'.
    jobid: 35
    output: results/mini/flow/000.h5
    log: results/mini/logs/flow/000.log (check log file(s) for error details)
    shell:
        python flow.py
[Wed Nov 25 21:53:52 2026]
Error in rule teacher:
    message: None
    jobid: 36
    log: results/mini/logs/split1/motion/teacher.log (check log file(s) for error details)
Logfile results/mini/logs/split1/motion/teacher.log: not found
"""


def write(folder: Path, name: str, text: str) -> None:
    path = folder / ".snakemake/log" / f"{name}.snakemake.log"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_configs_are_told_in_their_order_the_last_run_first(tmp_path):
    write(tmp_path, "2026-11-25T205939.796156", HEAD.replace("/p/a.yaml", "/p/older.yaml"))
    write(tmp_path, "2026-11-25T215939.796156", HEAD)
    write(tmp_path, "2026-11-25T225939.796156", "Building DAG of jobs...\n")
    first, second = run_logs.configs(tmp_path)
    assert first == [Path("/p/config.yaml"), Path("/p/a.yaml"), Path("/p/it's b.yaml")]
    assert second[1] == Path("/p/older.yaml")


def test_failed_jobs_are_told_by_their_logs(tmp_path):
    write(tmp_path, "2026-11-25T205939.796156", HEAD + FAILED.replace("flow", "frames"))
    write(tmp_path, "2026-11-25T215939.796156", HEAD + FAILED)
    when = time.mktime((2026, 11, 25, 21, 53, 51, 0, 0, -1))
    assert run_logs.failures(tmp_path) == {
        "results/mini/logs/flow/000.log": Failure(
            when, "SLURM-job '17' failed, SLURM status is: 'TIMEOUT'."
        ),
        "results/mini/logs/split1/motion/teacher.log": Failure(when + 1, ""),
    }


def test_a_folder_without_runs_has_neither(tmp_path):
    assert list(run_logs.configs(tmp_path)) == [] and run_logs.failures(tmp_path) == {}
