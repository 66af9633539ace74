"""Jobs of a cluster: which of them have begun, and in a sentence what ended those that failed.

A cluster ends jobs that could say nothing: before they began, at their time limit, with their node.
Snakemake takes all of them for jobs that failed by themselves: it shows the log of an earlier run,
and deletes outputs that the job never touched.
"""

import os
import re
from collections.abc import Iterable
from contextlib import suppress
from functools import wraps
from pathlib import Path

# What the plug-in for Slurm says of a job that sbatch refuses, and of one that has ended.
REFUSAL = re.compile(r"The error message was '(.*?)'\.?(?:\n|$)", re.DOTALL)
STATE = re.compile(r"SLURM status is:\s+'(\w+)'")
ACCOUNT = re.compile(r"'(?:sacctmgr|sshare)' reported|account .* appears to be invalid")
# What Snakemake sets behind it.
FURTHER = (
    "For further error details see the cluster/cloud log and the log files of the involved rule(s)."
)
# What a job's own output says where Slurm, or the kernel for it, has killed what took more memory.
NO_MEMORY = re.compile(r"oom.?kill|out of memory|exceeded .*memory limit", re.IGNORECASE)
# Refusals that come again at each try, and the cure. `{rule}` and `{asked}` are those of the job.
GPUS = (
    "; on a cluster without GPUs begin with PIPELINE_GPUS=none, on one that wants --gres with "
    "PIPELINE_GPUS=gpu"
)
NO_ACCOUNT = "leave out slurm_account, or name one that `sshare -U` lists"
CURES = {
    r"invalid partition": "`sinfo` lists the partitions; --default-resources slurm_partition=NAME "
    "chooses one",
    r"account": NO_ACCOUNT,
    r"generic resource|gres": "it asks for {asked}{gpus}",
    r"node configuration|cpu count|memory specification": "no node of the partition has what it "
    "asks for, {asked}{gpus}",
    r"time limit": "it asks for {runtime} minutes; ask for what the partition allows, by "
    "--set-resources {rule}:runtime=MINUTES",
}
STATES = {
    "TIMEOUT": "its time limit of {runtime} minutes ended",
    "DEADLINE": "its deadline came",
    "OUT_OF_MEMORY": "memory ran out: it had asked for {memory} MB",
    "NODE_FAIL": "its node was lost",
    "BOOT_FAIL": "its node did not start",
    "CANCELLED": "it was cancelled",
}
# What follows where there is another try, and after the last one.
AGAIN, MORE_MEMORY = "it is submitted again", "it is submitted again and asks for more"
GOES_ON, GIVE_MEMORY = "the same command goes on", "--set-resources {rule}:mem_mb=MB gives it more"
# Bytes at the end of a job's own output that are searched.
MOST_READ = 2**16


class ClusterJobs:
    """The jobs of a run on a cluster; `words` has what was said of those that failed."""

    def __init__(self):
        self.words: dict[object, str] = {}

    def watch(self, job_class: type) -> None:
        """Have jobs of Snakemake's class `Job` tell here what happens to them."""
        begin, fail, end = job_class.log_info, job_class.log_error, job_class.postprocess

        @wraps(begin)
        def log_info(job, *arguments, **options):
            # The first thing that a job does is a new log, by which one knows that it has begun.
            for log in job.log:
                Path(log).unlink(missing_ok=True)
            return begin(job, *arguments, **options)

        @wraps(fail)
        def log_error(job, msg=None, *arguments, **options):
            sentence = self.fail(job, msg or "", options.get("aux_logs") or [])
            return fail(job, sentence, *arguments, **options)

        @wraps(end)
        async def postprocess(job, *arguments, error=False, **options):
            # What a job that never began would have made is what an earlier run has made.
            if not error or has_begun(job):
                await end(job, *arguments, error=error, **options)

        job_class.log_info, job_class.log_error = log_info, log_error
        job_class.postprocess = postprocess

    def fail(self, job, message: str, outputs: Iterable[str]) -> str:
        """Return why a job failed, as a sentence; `message` is the plug-in's, `outputs` are files
        of what the job has printed. A job that would be refused again is not tried again.
        """
        said, cure = explain(job, message, "".join(map(_end_of, filter(None, outputs))))
        # Of this try: further ones ask for more.
        asked = _asked(job)
        if cure:
            # Snakemake compares both: no try is left.
            job.attempt = max(job.attempt, job.restart_times + 1)
        elif job.attempt > job.restart_times:
            cure = GIVE_MEMORY if "memory" in said else GOES_ON
        what_next = (cure or (MORE_MEMORY if "memory" in said else AGAIN)).format(**asked)
        self.words[job] = f"{said}; {what_next}" if said else ""
        return self.words[job] or f"it ended with an error; {what_next}"


def has_begun(job) -> bool:
    """Whether a job that was submitted has done anything."""
    return not job.log or any(map(os.path.exists, job.log))


def explain(job, message: str, output: str = "") -> tuple[str, str]:
    """Return why a job failed, '' where it has to say so itself, and the cure of what would come
    again at each further try, '' where it need not. What a plug-in says is returned as it is where
    nothing is known of it.
    """
    if ACCOUNT.search(message):
        account = job.resources.get("slurm_account")
        return f"Slurm has no account {account} here, or no accounting", NO_ACCOUNT
    if found := REFUSAL.search(message):
        cures = (cure for words, cure in CURES.items() if re.search(words, found[1], re.IGNORECASE))
        return f"Slurm refuses the job ({_refusal(found[1])})", next(cures, "")
    if not (found := STATE.search(message)):
        return " ".join(message.removesuffix(FURTHER).split()), ""
    state = "OUT_OF_MEMORY" if NO_MEMORY.search(output) else found[1]
    return STATES.get(state, "").format(**_asked(job)), ""


def _asked(job) -> dict:
    """What a job asks a cluster for, as words of the sentences above."""
    memory, gpus = job.resources.get("mem_mb"), job.resources.get("gpu", 0)
    asked = f"{job.threads} cores and {memory} MB" + (f", {gpus} GPU" if gpus else "")
    return {
        "rule": job.rule.name,
        "asked": asked + (f", {gres}" if (gres := job.resources.get("gres")) else ""),
        "memory": memory,
        "runtime": job.resources.get("runtime"),
        "gpus": GPUS if gpus or gres else "",
    }


def _refusal(text: str) -> str:
    """The words of sbatch, without those that say that they are its."""
    lines = [
        re.sub(r"^sbatch: (error: )?(Batch job submission failed: )?", "", line.strip())
        for line in text.splitlines()
    ]
    return next(filter(None, lines), "no reason is given")


def _end_of(path: str) -> str:
    with suppress(OSError), open(path, "rb") as file:
        file.seek(max(0, Path(path).stat().st_size - MOST_READ))
        return file.read().decode("utf-8", "replace")
    return ""
