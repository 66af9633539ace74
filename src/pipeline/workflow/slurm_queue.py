"""Jobs in the queue of a Slurm that will never start, which Slurm itself says to nobody."""

import logging
import shutil
import subprocess
import threading
import time
from pathlib import Path

# Seconds before the first look and between two, and those that an answer may take.
FIRST, INTERVAL, PATIENCE = 10, 60, 30
# Reason, what the job is for, and the folder of its run, of each job that waits.
COMMAND = ("squeue", "--me", "--noheader", "--states=PENDING", "--format=%r|%k|%Z")
# Reasons for which a job waits until somebody changes something, and what.
LESS_TIME = "asks for more time than its partition allows; begin with a lower PIPELINE_MINUTES"
REASONS = {
    "PartitionTimeLimit": LESS_TIME,
    "AssocMaxWallDurationPerJobLimit": LESS_TIME,
    "QOSMaxWallDurationPerJobLimit": LESS_TIME,
    "PartitionNodeLimit": "asks for more than its partition allows; --default-resources "
    "slurm_partition=NAME chooses another",
    "BadConstraints": "asks for what no node has",
    "AccountNotAllowed": "has an account that its partition does not take",
    "InvalidAccount": "has an account that there is not",
    "QOSNotAllowed": "has a quality of service that its partition does not take",
    "InvalidQOS": "has a quality of service that there is not",
}


def watch(logger: logging.Logger) -> None:
    """Say in this process, for as long as it lives, which of its jobs will never start."""
    if shutil.which(COMMAND[0]):
        threading.Thread(target=_look, args=[logger], daemon=True, name="queue").start()


def waiting_in_vain(lines: str, folder: Path) -> list[str]:
    """Return a sentence for each rule of the run in `folder` and reason, from what COMMAND says."""
    found = []
    for line in lines.splitlines():
        reason, comment, where = [*line.split("|"), "", ""][:3]
        if reason in REASONS and Path(where) == folder and comment.startswith("rule_"):
            rule = comment.removeprefix("rule_").partition("_wildcards_")[0]
            found.append(f"rule {rule} waits in vain: it {REASONS[reason]} ({reason})")
    return list(dict.fromkeys(found))


def _look(logger: logging.Logger) -> None:
    said, seconds = set(), FIRST
    while True:
        time.sleep(seconds)
        seconds = INTERVAL
        try:
            done = subprocess.run(COMMAND, capture_output=True, text=True, timeout=PATIENCE)
        except (OSError, subprocess.TimeoutExpired):
            continue
        for sentence in waiting_in_vain(done.stdout, Path.cwd()):
            if sentence not in said:
                said.add(sentence)
                logger.warning(sentence)
