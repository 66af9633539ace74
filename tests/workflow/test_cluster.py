"""What ended jobs of a cluster, in sentences; and outputs of jobs that never began."""

import asyncio
from types import SimpleNamespace

import pytest

from pipeline.workflow.cluster import ClusterJobs, has_begun

ENDED = (
    "SLURM-job '17' failed, SLURM status is: '{}'. Detailed failure reason unavailable (status "
    "command is not 'sacct').For further error details see the cluster/cloud log and the log files "
    "of the involved rule(s)."
)
REFUSED = (
    "SLURM sbatch failed. The error message was 'sbatch: error: {}\n"
    "sbatch: error: Batch job submission failed: {}'.\n    sbatch call:\n        sbatch --parsable"
)


class Job:
    """As Snakemake's, which calls these three when a job is submitted, fails and has ended."""

    def __init__(self, log: list[str], attempt: int = 1, **resources):
        self.rule, self.threads, self.log = SimpleNamespace(name="teacher"), 2, log
        self.attempt, self.restart_times, self.own = attempt, 3, resources
        self.first = attempt
        self.told, self.has_ended = [], False

    @property
    def resources(self) -> dict:
        # The last try asks for more, and sentences are about the one that failed.
        memory = 8000 if self.attempt == self.first else 16000
        return {"mem_mb": memory, "runtime": 720} | self.own

    def log_info(self):
        self.told.append("submitted")

    def log_error(self, msg=None, indent=False, aux_logs=None):
        self.told.append(msg)

    async def postprocess(self, error=False):
        self.has_ended = True


@pytest.fixture
def jobs(monkeypatch) -> ClusterJobs:
    for name in ("log_info", "log_error", "postprocess"):
        monkeypatch.setattr(Job, name, getattr(Job, name))
    found = ClusterJobs()
    found.watch(Job)
    return found


def said(message: str, **facts) -> str:
    return ClusterJobs().fail(Job([], **facts), message, [])


@pytest.mark.parametrize(
    ("state", "sentence"),
    [
        ("TIMEOUT", "its time limit of 720 minutes ended"),
        ("NODE_FAIL", "its node was lost"),
        ("CANCELLED", "it was cancelled"),
        ("FAILED", "it ended with an error"),
        ("A_NEW_STATE", "it ended with an error"),
    ],
)
def test_a_job_that_ended_is_told_in_a_sentence_and_tried_again(state, sentence):
    assert said(ENDED.format(state)) == f"{sentence}; it is submitted again"
    # Three tries follow the first one.
    assert said(ENDED.format(state), attempt=4) == f"{sentence}; the same command goes on"


def test_where_memory_ran_out_more_is_asked_for_and_at_last_by_the_user(tmp_path):
    sentence = "memory ran out: it had asked for 8000 MB"
    assert said(ENDED.format("OUT_OF_MEMORY")) == (
        f"{sentence}; it is submitted again and asks for more"
    )
    assert said(ENDED.format("OUT_OF_MEMORY"), attempt=4) == (
        f"{sentence}; --set-resources teacher:mem_mb=MB gives it more"
    )
    # Where Slurm itself looks at memory it says so in what the job prints only.
    output = tmp_path / "17.log"
    output.write_text("x" * 100_000 + "\nslurmstepd: error: Step 17.0 exceeded memory limit\n")
    found = ClusterJobs().fail(Job([]), ENDED.format("CANCELLED"), [str(output), None, "none"])
    assert found.startswith(sentence)


@pytest.mark.parametrize(
    ("words", "cure"),
    [
        ("invalid partition specified: nope", "`sinfo` lists the partitions; "),
        ("CPU count per node can not be satisfied", "no node of the partition has what it asks "),
        ("Invalid generic resource (gres) specification", "it asks for 2 cores and 8000 MB, 1 GPU"),
        ("Requested time limit is invalid", "it asks for 720 minutes; ask for what the partition"),
        ("Invalid account or account/partition combination", "leave out slurm_account, or name "),
    ],
)
def test_a_refusal_is_told_with_its_cure_and_not_tried_again(words, cure):
    job = Job([], gpu=1)
    found = ClusterJobs().fail(job, REFUSED.format(words, "no"), [])
    assert found.startswith(f"Slurm refuses the job ({words}); {cure}"), found
    assert job.attempt > job.restart_times


def test_refusals_that_may_pass_are_tried_again():
    sentence = "Slurm refuses the job (Socket timed out on send/recv operation); "
    assert said(REFUSED.format("Socket timed out on send/recv operation", "no")) == (
        f"{sentence}it is submitted again"
    )


def test_where_jobs_want_gpus_that_there_are_not_the_switch_is_named():
    refusal = REFUSED.format("Requested node configuration is not available", "no")
    assert "PIPELINE_GPUS=none" in said(refusal, gpu=1)
    assert "PIPELINE_GPUS=none" in said(refusal, gres="gpu:1")
    assert "PIPELINE_GPUS" not in said(refusal, gpu=0)


def test_an_account_that_nobody_can_look_up_is_named():
    message = (
        "Job submission failed with exception: The 'sacctmgr' reported: 'Unable to test the "
        "validity' and likewise 'sshare' reported: 'Unable to test'."
    )
    assert said(message, slurm_account="me").startswith("Slurm has no account me here, or no ")


def test_other_words_of_other_executors_come_as_they_are():
    further = ENDED.partition("not 'sacct').")[2]
    assert said(f"the queue\nis gone{further}") == "the queue is gone; it is submitted again"
    assert said(further) == "it ended with an error; it is submitted again"


def test_a_job_that_never_began_keeps_its_outputs_and_shows_no_earlier_log(jobs, tmp_path):
    log = tmp_path / "teacher.log"
    log.write_text("error: of an earlier run\n")
    job = Job([str(log)])
    job.log_info()
    assert not log.exists() and not has_begun(job)
    job.log_error(REFUSED.format("invalid partition specified: nope", "no"))
    asyncio.run(job.postprocess(error=True))
    assert not job.has_ended
    assert job.told[1] == jobs.words[job] and "invalid partition specified: nope" in job.told[1]


def test_a_job_that_began_ends_as_snakemake_ends_it(jobs, tmp_path):
    log = tmp_path / "teacher.log"
    job = Job([str(log)])
    job.log_info()
    log.write_text("teacher: 3 iterations\n")
    job.log_error(ENDED.format("FAILED"))
    asyncio.run(job.postprocess(error=True))
    # It has to say by itself what was wrong.
    assert job.has_ended and jobs.words[job] == ""
