"""Resources of the rules: cores, memory and GPUs, and what a program is told that its outcome does
not depend on.

Snakemake reruns a job when its `params` or the text of its command change, but not for its
`resources`. So paths of the user's folders and files, and how a training is run, stand there as
strings. Standard library only.
"""

from collections.abc import Callable
from functools import cache

from pipeline.config import settings
from pipeline.workflow.long_texts import as_argument
from pipeline.workflow.sets import Sets, run_of


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

    def training_memory(self, megabytes: int) -> Callable[..., int]:
        """`megabytes` for each process of a training."""
        return lambda wildcards: megabytes * self.processes(wildcards)

    def gpu(self, wildcards) -> int:
        """The GPUs that one process of networks asks a cluster for."""
        return int(self._compute(wildcards)["device"] != "cpu")

    def training_gpus(self, wildcards) -> int:
        """The GPUs that a training asks a cluster for: one for each of its processes."""
        return self.processes(wildcards) * self.gpu(wildcards)

    def flow_gpus(self, wildcards) -> int:
        """GPUs that a job of flow asks a cluster for: none for auto, which takes what is there."""
        return int(self.sets.settings(wildcards.set, None)["flow"]["backend"] == "cuda")

    # What a program is told

    def launcher(self, wildcards) -> str:
        """What starts a training: torchrun, where it has several processes."""
        count = self.processes(wildcards)
        several = f' "$SCRIPTS"/torchrun.py --standalone --nproc-per-node {count}'
        return "python" + (several if count > 1 else "")

    def training_flags(self, wildcards) -> str:
        """Options of a training that change its numbers by rounding at most."""
        accumulate = self._compute(wildcards)["accumulate"]
        return f"{self.network_flags(wildcards)} --accumulate {accumulate}"

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
        """The entry of a set in the config, as JSON: where its videos and lists lie, how these are
        read, and its number of shards.
        """
        return self._entry(wildcards.set)

    def weights(self, wildcards) -> str:
        """The file of weights that a training starts from, or a word in its place."""
        return self.sets.settings(wildcards.set, run_of(wildcards))["network"]["weights"]

    def teacher_weights(self, wildcards) -> str:
        """The file of weights that a teacher starts from, or a word in its place."""
        return self.sets.settings(wildcards.set, run_of(wildcards))["teacher"]["weights"]

    def _write_entry(self, name: str) -> str:
        entry = self.sets.entry(name) | {"shards": self.sets.shard_count(name)}
        return as_argument(settings.dump(entry), name)

    def _compute(self, wildcards) -> dict:
        return self.sets.settings(wildcards.set, run_of(wildcards))["compute"]
