"""Params functions of the rules: what a job's outcome depends on besides its input files. Standard
library only.

Each gives one line of JSON, so that Snakemake compares names with values, and equal values are
equal however the config spells them. Paths are not among them: a folder or file that was moved
reruns nothing. They reach the programs as `resources`, whose values Snakemake does not compare
(`pipeline.workflow.resources`).
"""

from collections.abc import Callable
from functools import cache

from pipeline.config import kinds, settings
from pipeline.config.runs import Run, for_stream
from pipeline.datasets.clips import TEST, TRAIN
from pipeline.evaluation import published
from pipeline.jobs import agreement
from pipeline.streams import DIRECTIONS, STORES
from pipeline.workflow.long_texts import as_argument, write
from pipeline.workflow.paths import InputFiles
from pipeline.workflow.sets import Sets, run_of, split_of

# What of `compute` the numbers of a training depend on. The rest is how it is run, and changing it
# reruns nothing.
NUMERIC = ("compute.threads", "compute.precision", "compute.layout")
# Settings that name a file, not a word: its content stands in the params in place of its path.
WORDS = ("imagenet", "none")
# Settings that change no number of a result: what is shown of it, and which clips are refused.
UNUSED = ("tables", "limits")
ParamsFunction = Callable[..., str]


class JobParams:
    """Params functions over the sets of a config. Each method either is one, or makes one from its
    arguments.
    """

    def __init__(self, sets: Sets, inputs: InputFiles):
        self.sets, self.inputs = sets, inputs
        # The jobs of many shards ask the same.
        self._wanted = cache(self._write_wanted)

    def settings(
        self,
        *keys: str,
        subset: str | None = None,
        shard: bool = False,
        by_stream: bool = False,
        by_outcome: bool = False,
    ) -> ParamsFunction:
        """The settings `keys` of a job and nothing else, so that only they rerun the rule. Of a
        run's they are those that its networks read.

        With `subset` also the identity of the split's train or test clips, with `shard` the
        accepted damaged clips of the job's shard. With `by_stream` the settings are those of the
        job's stream. With `by_outcome` they are for comparing alone: solvers of flow that agree to
        the last bit are one.
        """

        # The jobs of many shards ask the same.
        @cache
        def text(
            name: str, run: Run | None, stream: str, split: str, accepted: tuple[str, ...]
        ) -> str:
            own = self.sets.settings(name, run)
            if by_stream:
                own = for_stream(own, stream)
            own = self._files_by_content(own)
            chosen = settings.choose(own, *keys)
            if run and "network" in chosen:
                chosen = kinds.read_by_networks(chosen)
            if by_outcome:
                chosen["flow"] = _by_outcome(chosen["flow"])
            if subset:
                chosen["identity"] = self.sets.digest(name, split, subset)
            if shard:
                chosen["accept_damaged"] = list(accepted)
            return as_argument(settings.dump(chosen), name)

        def params(wildcards):
            return text(
                wildcards.set,
                run_of(wildcards),
                wildcards.stream if by_stream else "",
                split_of(wildcards) if subset else "",
                tuple(self._accepted(wildcards)) if shard else (),
            )

        return params

    def videos(self, wildcards) -> str:
        """What the examination of a shard depends on: its clips with their files and contents,
        accepted damage, and what a clip may cost.
        """
        name = wildcards.set
        chosen = settings.choose(self.sets.settings(name, None), "limits")
        accepted, (clips, _) = self._accepted(wildcards), self.sets.listings(name)[wildcards.shard]
        return as_argument(
            settings.dump(chosen | {"accept_damaged": accepted, "clips": clips}), name
        )

    def listing(self, wildcards) -> str:
        """The file that lists the clips of a shard for their examination, as an option. The rule
        has it as a resource: what it says is among the params.
        """
        return f"@{self.sets.listings(wildcards.set)[wildcards.shard][1]}"

    def subset(self, wildcards) -> str:
        """What the table of a split's train or test clips depends on."""
        identity = self.sets.digest(wildcards.set, wildcards.split, wildcards.subset)
        return settings.dump({"identity": identity} | self._policies(wildcards))

    def splits(self, wildcards) -> str:
        """What the index of a set depends on: the clips of every split."""
        identity = self._identities(wildcards.set)["splits"]
        return settings.dump({"identity": identity} | self._policies(wildcards))

    def rendering(self, name: str) -> str:
        """What the videos of a demo set depend on."""
        return settings.dump(
            settings.choose(self.sets.entry(name), "groups", "clips", "frames", "seed")
        )

    def given_scores(self, wildcards) -> str:
        """The content of the file of scores that the config names, and the identity of the test
        clips.
        """
        path = self.inputs.given_scores(wildcards)
        identity = self.sets.digest(wildcards.set, wildcards.split, TEST)
        return settings.dump({"identity": identity, "given": self.sets.contents.digest(path)})

    def result(self, wildcards) -> str:
        """The settings of a run, for the record of a result: all but its tables, the limits of
        clips, and how training runs are run.
        """
        own = self._files_by_content(self.sets.settings(wildcards.set, run_of(wildcards)))
        merged = {key: value for key, value in own.items() if key not in UNUSED}
        return settings.dump(merged | settings.choose(own, *NUMERIC))

    def wanted(self, wildcards) -> str:
        """A file of the settings that the artifacts must have been made with that a job reads.

        It is named by its content, so that runs of several configs do not meet in it. The rules
        have it as a resource: a program compares with it, and its outcome does not depend on it.
        """
        return self._wanted(wildcards.set, run_of(wildcards), split_of(wildcards))

    def _write_wanted(self, name: str, run: Run | None, split: str) -> str:
        runs: dict[str, Run | None] = {"": None}
        if run:
            runs |= {str(one): one for one in (run.streams(self.sets.config), run)}
        own = {text: self.sets.settings(name, one) for text, one in runs.items()}
        # Networks of streams whose settings differ have an entry each.
        own |= {
            f"{text}/{stream}/co2fi": for_stream(of_run, stream)
            for text, of_run in own.items()
            for stream in (of_run.get("by_stream", {}) if text else ())
        }
        content = settings.dump(
            {
                "runs": {text: self._files_by_content(of_run) for text, of_run in own.items()},
                "identity": self._identities(name)
                | {side: self.sets.digest(name, split, side) for side in (TRAIN, TEST)},
            }
        )
        return write(content, name)

    def tables(self, wildcards) -> str:
        """The tables of a set, with the paper's numbers."""
        plan = settings.for_set(self.sets.config, wildcards.set)["tables"]
        return settings.dump({"tables": published.rows(plan, wildcards.set)})

    # Folders of results, which the wildcards tell

    def stream_store(self, wildcards) -> str:
        """The folder of shards that a stream reads."""
        return f"results/{wildcards.set}/{STORES[wildcards.stream]}"

    def single_store(self, wildcards) -> str:
        """The folder of shards that a direction reads its single instant from."""
        return f"results/{wildcards.set}/{STORES[DIRECTIONS[wildcards.direction][0]]}"

    def sequence_store(self, wildcards) -> str:
        """The folder of shards that a direction reads its sequence of instants from."""
        return f"results/{wildcards.set}/{STORES[DIRECTIONS[wildcards.direction][1]]}"

    def table_runs(self, wildcards) -> list[str]:
        """The runs of a set's tables, variant/split/seed, in the order of their results."""
        return list(self.inputs.table_runs(wildcards))

    def _accepted(self, wildcards) -> list[str]:
        """The clips of a shard whose damage the config accepts."""
        accepted = self.sets.entry(wildcards.set)["accept_damaged"]
        if not accepted:
            return []
        clips = {clip.id for clip in self.sets.shards(wildcards.set).get(wildcards.shard, [])}
        return sorted(clips & set(accepted))

    def _identities(self, name: str) -> dict:
        """What identifies the clips of all splits of a set, as in the record of its index."""
        digests = self.sets.summary(name).digests
        return {"splits": {split: [own[TRAIN], own[TEST]] for split, own in digests.items()}}

    def _policies(self, wildcards) -> dict:
        """What a set says on bad clips and leaks; nothing where it says nothing."""
        entry = self.sets.entry(wildcards.set)
        return {key: entry[key] for key in ("on_bad_clip", "accept_leaks") if key in entry}

    def _files_by_content(self, own: dict) -> dict:
        """Settings in which the digests of files of weights stand in place of their paths."""
        for section in ("network", "teacher"):
            weights = own[section]["weights"]
            if weights not in WORDS:
                key = f"{section}.weights"
                digest = self.sets.contents.weights(weights, key)
                own = own | {section: own[section] | {"weights": digest}}
        return own


def _by_outcome(flow: dict) -> dict:
    """Settings of flow with one solver for all that agree to the last bit."""
    same = agreement.SAME["flow.backend"]
    return flow | {"backend": same[0]} if flow["backend"] in same else flow
