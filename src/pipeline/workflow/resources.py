"""Resources of the rules: cores, memory and GPUs, and what a program is told that its outcome does
not depend on.

Snakemake reruns a job when its `params` or the text of its command change, but not for its
`resources`. So paths of the user's folders and files, and how a training is run, stand there as
strings. Standard library only.
"""

import json
import os
import re
from collections.abc import Callable
from functools import cache, cached_property

from pipeline import gpus
from pipeline.config import settings
from pipeline.errors import PipelineError
from pipeline.idt import sizes
from pipeline.workflow.long_texts import as_argument
from pipeline.workflow.sets import Sets, run_of

# Cores of a job of flow on a cluster, each of which computes a clip: a stage has no more jobs than
# shards, and with one core each the largest shard would decide (docs/cluster.md).
CLUSTER_FLOW_CORES = 4
# Cores that feed a GPU with flow: of a cluster's node, and the most of this machine. More than the
# most would wait for any GPU (docs/flow.md).
CLUSTER_FEEDING_CORES = 8
MOST_FEEDING_CORES = 16

# Minutes that no job asks for more of, unless this environment variable says so: trainings and
# shards go on at their next try, while a job above the limit of its partition waits for ever.
LONGEST, LONGEST_VARIABLE = 1440, "PIPELINE_MINUTES"
# How jobs of a cluster ask for GPUs, by this environment variable: by sbatch --gpus, not at all, or
# by --gres with any other word, such as gpu or gpu:a100.
GPUS_VARIABLE, BY_GPUS, WITHOUT_GPUS = "PIPELINE_GPUS", "gpus", "none"
# MB of the program that trains SVMs without its data, and the least that its job asks for.
SVM_PROGRAM, LEAST_SVM = 500, 4000
# MB that Snakemake takes around a program on a cluster, once for the allocation and once for its
# step, and the clips of a set for which both together take one more. One of them was measured: 160
# MB for a few clips, 183 MB for the 13,320 of UCF101, 508 MB for 133,200.
SNAKEMAKES, CLIPS_PER_MB = 350, 180


class JobResources:
    """Resource functions over the sets of a config; `cores` are those of this machine's run, if it
    has a limit.
    """

    def __init__(self, sets: Sets, cores: int | None):
        self.sets, self.cores = sets, cores
        # Every job of many asks for it.
        self._entry = cache(self._write_entry)

    # Cores, memory, GPUs

    def all_cores(self, wildcards) -> int:
        """All cores of this machine's run; a cluster's jobs take what its profile says, or a
        few.
        """
        return self.cores or 4

    def compute_threads(self, wildcards) -> int:
        """Threads of a computation: a setting, as the result depends on them in the last bits."""
        return self._compute(wildcards)["threads"]

    def processes(self, wildcards) -> int:
        """The processes of a training, each with a GPU of its own where there are GPUs."""
        return self._compute(wildcards)["processes"]

    def reading_cores(self, wildcards) -> int:
        """The cores of a process that computes, and of those that read for it."""
        compute = self._compute(wildcards)
        return compute["threads"] + compute["workers"]

    def training_cores(self, wildcards) -> int:
        """The cores of all processes of a training, and of those that read for them."""
        return self.processes(wildcards) * self.reading_cores(wildcards)

    def memory(self, megabytes: int) -> Callable[..., int]:
        """`megabytes`, half as much again at a second try and twice as much from the third; on a
        cluster with what the two Snakemakes take that run around a program there.
        """

        def asked(wildcards, attempt) -> int:
            return megabytes * min(1 + attempt, 4) // 2 + self._memory_around(wildcards)

        return asked

    def training_memory(self, megabytes: int) -> Callable[..., int]:
        """The same for each process of a training."""

        def asked(wildcards, attempt) -> int:
            return self.memory(megabytes * self.processes(wildcards))(wildcards, attempt)

        return asked

    def svm_memory(self, wildcards, attempt) -> int:
        """The memory of the SVMs on Fisher vectors: by the number of the split's training clips, of
        classes and of Gaussians.
        """
        components = self.sets.settings(wildcards.set, None)["idt"]["components"]
        needed = sizes.svm_bytes(
            self._training_clips(wildcards),
            len(self.sets.summary(wildcards.set).classes),
            sizes.fisher_length(components),
        )
        # Python and its libraries take the rest, and no set gets less than it had.
        megabytes = max(LEAST_SVM, SVM_PROGRAM + needed // 10**6)
        return self.memory(megabytes)(wildcards, attempt)

    def minutes(self, minutes: int) -> Callable[..., int]:
        """The time limit of a job: `minutes`, twice and three times as many at further tries, and
        never more than a cluster's partition allows.
        """
        longest = _longest()
        return lambda wildcards, attempt: min(minutes * attempt, longest)

    def svm_minutes(self, wildcards, attempt) -> int:
        """The time limit of the SVMs: a day where their clips are read in blocks, again and
        again.
        """
        long = sizes.read_in_blocks(self._training_clips(wildcards))
        return self.minutes(1440 if long else 240)(wildcards, attempt)

    def gpu(self, wildcards) -> int:
        """The GPUs that one process of networks asks a cluster for."""
        return int(self._compute(wildcards)["device"] != "cpu")

    def training_gpus(self, wildcards) -> int:
        """The GPUs that a training asks a cluster for: one for each of its processes."""
        return self.processes(wildcards) * self.gpu(wildcards)

    def flow_gpus(self, wildcards) -> int:
        """The GPUs of a job of flow. For auto it is one where this machine has any; a cluster's
        jobs ask for none, and take what is there.
        """
        backend = self.sets.settings(wildcards.set, None)["flow"]["backend"]
        here = backend == "auto" and not self._on_cluster
        return int(backend == "cuda" or (here and self._gpus > 0))

    def flow_cores(self, wildcards) -> int:
        """The cores of a job of flow: on a GPU those that decode and compress what it solves, else
        those that compute, of this machine one.

        On this machine those of a GPU leave room for one job more than there are GPUs, so that no
        GPU is idle while the next job starts, or the last one joins its clips.
        """
        on_gpu = self.flow_gpus(wildcards) > 0
        if self._on_cluster:
            return CLUSTER_FEEDING_CORES if on_gpu else CLUSTER_FLOW_CORES
        jobs = max(self._gpus, 1) + 1
        return min(max(self.cores // jobs, 1), MOST_FEEDING_CORES) if on_gpu else 1

    def flow_memory(self, wildcards, attempt) -> int:
        """Megabytes of a job of flow: of processes for each core, and on a GPU of its solver."""
        cores = self.flow_cores(wildcards)
        on_gpu = self.flow_gpus(wildcards) > 0
        return self.memory(4000 + 600 * cores if on_gpu else 1500 + 500 * cores)(wildcards, attempt)

    def asked(self, gpus: Callable[..., int]) -> Callable[..., int]:
        """What stands behind --gpus: as many as `gpus` says, none where GPUs are asked for by
        --gres or not at all.
        """
        return lambda wildcards: gpus(wildcards) if self.cores or _switch() == BY_GPUS else 0

    def gres(self, gpus: Callable[..., int]) -> Callable[..., str]:
        """What stands behind --gres, '' for nothing."""

        def asked(wildcards) -> str:
            is_gres = not self.cores and _switch() not in (BY_GPUS, WITHOUT_GPUS)
            count = gpus(wildcards) if is_gres else 0
            return f"{_switch()}:{count}" if count else ""

        return asked

    # What a program is told

    def launcher(self, wildcards) -> str:
        """What starts a training: torchrun, where it has several processes."""
        count = self.processes(wildcards)
        several = f' "$SCRIPTS"/torchrun.py --standalone --nproc-per-node {count}'
        return "python" + (several if count > 1 else "")

    def training_flags(self, wildcards) -> str:
        """Options of a training that change its numbers by rounding at most."""
        compute = self._compute(wildcards)
        return (
            f"{self.network_flags(wildcards)} --accumulate {compute['accumulate']}"
            f" --checkpoint-minutes {compute['checkpoint_minutes']} --compile {compute['compile']}"
        )

    def network_flags(self, wildcards) -> str:
        """Options of all that run networks: how many processes read, and the device."""
        compute = self._compute(wildcards)
        return f"--workers {compute['workers']} --device {compute['device']}"

    def video_folder(self, wildcards) -> str:
        """The folder of a set's videos."""
        return self.sets.entry(wildcards.set)["videos"]

    def on_bad_clip(self, wildcards) -> str:
        """What is done with clips that cannot be used: fail or skip."""
        return self.sets.entry(wildcards.set).get("on_bad_clip", "fail")

    def entry(self, wildcards) -> str:
        """The entry of a set in the config, as JSON: where its videos and lists lie, and how these
        are read.
        """
        return self._entry(wildcards.set)

    def all_shards(self, wildcards) -> str:
        """The names of all shards of a set, as JSON."""
        name = wildcards.set
        return as_argument(json.dumps(self.sets.summary(name).shards), name)

    def subset_shards(self, wildcards) -> str:
        """The names of the shards that hold train or test clips of a split, as JSON."""
        name, split, subset = wildcards.set, wildcards.split, wildcards.subset
        return as_argument(json.dumps(self.sets.subset_shards(name, split, subset)), name)

    def weights(self, wildcards) -> str:
        """The file of weights that a training starts from, or a word in its place."""
        return self.sets.settings(wildcards.set, run_of(wildcards))["network"]["weights"]

    def teacher_weights(self, wildcards) -> str:
        """The file of weights that a teacher starts from, or a word in its place."""
        return self.sets.settings(wildcards.set, run_of(wildcards))["teacher"]["weights"]

    def _memory_around(self, wildcards) -> int:
        if self.cores:
            return 0
        return SNAKEMAKES + self.sets.summary(wildcards.set).clips // CLIPS_PER_MB

    def _write_entry(self, name: str) -> str:
        return as_argument(settings.dump(self.sets.entry(name)), name)

    @property
    def _on_cluster(self) -> bool:
        """Whether jobs go to other machines. A job of a cluster sees all cores of its node, and
        has what the run asked for.
        """
        return self.cores is None or self.sets.is_job

    @cached_property
    def _gpus(self) -> int:
        """How many GPUs of this machine can compute flow."""
        return 0 if gpus.missing_for_triton() else len(gpus.found().names)

    def _training_clips(self, wildcards) -> int:
        return self.sets.count(wildcards.set, wildcards.split, "train")

    def _compute(self, wildcards) -> dict:
        return self.sets.settings(wildcards.set, run_of(wildcards))["compute"]


def _longest() -> int:
    """The longest time limit that a job asks for, in minutes."""
    text = os.environ.get(LONGEST_VARIABLE) or str(LONGEST)
    if not text.isdecimal() or not int(text):
        raise PipelineError(
            f"{LONGEST_VARIABLE} is '{text}'; it is the longest time limit of a job in minutes, "
            "such as 240"
        )
    return int(text)


def _switch() -> str:
    """How jobs ask for their GPUs."""
    word = os.environ.get(GPUS_VARIABLE) or BY_GPUS
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*(:[A-Za-z][A-Za-z0-9_.]*)?", word):
        raise PipelineError(
            f"{GPUS_VARIABLE} is '{word}'; it is {BY_GPUS}, {WITHOUT_GPUS}, or what stands behind "
            "sbatch --gres without its number, such as gpu or gpu:a100"
        )
    return word
