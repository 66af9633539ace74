"""Input functions of the rules: which files a job reads. They take Snakemake's wildcards; standard
library only.

Beside each large artifact lie two small files: `<name>.json`, the record of how it was made
(seconds, versions, code), and `<name>.content.json`, which says what it IS (digest). Rules depend
on the latter: an artifact that was made again with the same content reruns nothing. The artifact
itself and its record are `ancient` inputs.
"""

from collections.abc import Callable
from pathlib import Path

from pipeline.config import kinds, runs
from pipeline.config.runs import Run
from pipeline.datasets.clips import TEST, TRAIN
from pipeline.errors import PipelineError
from pipeline.evaluation import provenance, tables
from pipeline.streams import DIRECTIONS, STORES, STREAMS
from pipeline.workflow.sets import Sets, run_of, split_of

# What a rule reads of an artifact: the endings of its files.
CONTENT, RECORD = "content.json", "json"
InputFunction = Callable[..., list[str] | str]


class InputFiles:
    """Input functions over the sets of a config. Each method either is one, or makes one from its
    arguments.
    """

    def __init__(self, sets: Sets):
        self.sets = sets

    # Stores: a file for each shard of a set

    def rendered(self, wildcards) -> list[str]:
        """What says that the videos of a demo set are rendered; videos of other sets are params of
        their rule.
        """
        # Lists and settings that cannot be end here, before anything starts.
        self.sets.summary(wildcards.set)
        demo = self.sets.is_demo(wildcards.set)
        return [f"results/{wildcards.set}/videos.{CONTENT}"] if demo else []

    def all_shards(self, pattern: str) -> InputFunction:
        """`pattern` for each shard of the set."""
        return lambda wildcards: [
            pattern.format(set=wildcards.set, shard=shard)
            for shard in self.sets.summary(wildcards.set).shards
        ]

    def subset_shards(self, pattern: str, subset: str | None = None) -> InputFunction:
        """`pattern` for each shard with clips of the split's `subset`, train or test; else of the
        wildcard's.
        """

        def files(wildcards):
            split, wanted = split_of(wildcards), subset or wildcards.subset
            shards = self.sets.subset_shards(wildcards.set, split, wanted)
            known = dict(wildcards.items()) | {"split": split}
            return [pattern.format(**known, shard=shard) for shard in shards]

        return files

    def listing(self, subset: str, stream: str | None = None) -> InputFunction:
        """What stands for the frames or flow of a split's `subset`, as `stream` or else the job's
        own stream reads them.
        """
        return lambda wildcards: self._listing(wildcards, subset, stream or wildcards.stream)

    def listings(self, wildcards) -> list[str]:
        """What stands for all frames and flow of a split."""
        return [
            self._listing(wildcards, subset, stream)
            for subset in (TRAIN, TEST)
            for stream in STREAMS
        ]

    def _listing(self, wildcards, subset: str, stream: str) -> str:
        return self._in_split(wildcards, f"{subset}.{STORES[stream]}.{CONTENT}")

    def of_set(self, name: str) -> InputFunction:
        """The file `name` of the job's set."""
        return lambda wildcards: f"results/{wildcards.set}/{name}"

    # What all runs of a split share

    def of_split(self, name: str) -> InputFunction:
        """The file `name` of the job's split; `name` may hold the wildcard {stream}."""
        return lambda wildcards: self._in_split(wildcards, name.format(**dict(wildcards.items())))

    def groups(self, ending: str, place: int | None = None) -> InputFunction:
        """The class groups that a stream's network learns; nothing for kinds that learn none.

        With a `place` they are those of a direction's single stream, 0, or its sequence's, 1, and
        nothing where the direction does not train the networks, too.
        """

        def files(wildcards):
            own = self._settings(wildcards)
            if not kinds.has_groups(own) or (place is not None and not own["asyn"]["joint"]):
                return []
            stream = wildcards.stream if place is None else DIRECTIONS[wildcards.direction][place]
            return [self._in_split(wildcards, f"{stream}/groups.{ending}")]

        return files

    def teacher_of_direct(self, ending: str) -> InputFunction:
        """The teacher that `network.kind: direct` joins to VGG-16; nothing for other kinds."""

        def files(wildcards):
            direct = self._settings(wildcards)["network"]["kind"] == kinds.DIRECT
            return (
                self._in_split(wildcards, f"{wildcards.stream}/teacher.{ending}") if direct else []
            )

        return files

    def _in_split(self, wildcards, name: str) -> str:
        return f"results/{wildcards.set}/{split_of(wildcards)}/{name}"

    # Networks of a run

    def trained_streams(self, wildcards) -> Run | None:
        """The run whose stream networks a direction starts from; None where it starts from
        network.weights.
        """
        if self._settings(wildcards)["asyn"]["start"] == "weights":
            return None
        return run_of(wildcards).streams(self.sets.config)

    def stream_networks(self, ending: str) -> InputFunction:
        """The networks that a direction starts from, of the single stream first; nothing where it
        starts anew.
        """

        def files(wildcards):
            run = self.trained_streams(wildcards)
            streams = DIRECTIONS[wildcards.direction] if run else ()
            return [f"results/{wildcards.set}/{run}/{stream}/co2fi.{ending}" for stream in streams]

        return files

    def features(self, ending: str) -> InputFunction:
        """The features that a direction learns on, of the single stream first; nothing where it
        trains the networks, too.
        """

        def files(wildcards):
            run = self._featured_streams(wildcards)
            streams = DIRECTIONS[wildcards.direction] if run else ()
            return [
                f"results/{wildcards.set}/{run}/{stream}/features.{ending}" for stream in streams
            ]

        return files

    def _featured_streams(self, wildcards) -> Run | None:
        """The run whose stream networks do not learn any more when directions do."""
        joint = self._settings(wildcards)["asyn"]["joint"]
        return None if joint else self.trained_streams(wildcards)

    def networks_of_run(self, ending: str) -> InputFunction:
        """The networks that score a run, in the order of its sources."""
        return lambda wildcards: [
            f"results/{wildcards.set}/{wildcards.run}/{source}/{network_of(source)}.{ending}"
            for source in self.sets.run_sources(run_of(wildcards))
        ]

    def scores_of_run(self, ending: str) -> InputFunction:
        """The scores of a run's sources."""
        return lambda wildcards: [
            f"results/{wildcards.set}/{wildcards.run}/{source}/scores.{ending}"
            for source in self.sets.run_sources(run_of(wildcards))
        ]

    def scoring_rules(self):
        """The rules that score runs, one for each kind of run: its name, the sources, and a pattern
        of the runs' names.
        """
        config = self.sets.config
        kinds = {
            "scores": [*STREAMS, *DIRECTIONS],
            "scores_of_streams": [*STREAMS],
            "scores_of_directions": [*DIRECTIONS],
        }
        patterns = [Run("split[0-9]+", variant) for variant in (runs.COMPLETE, *config["variants"])]
        for kind, sources in kinds.items():
            names = "|".join(str(run) for run in patterns if self.sets.run_sources(run) == sources)
            # A config may have no variants, and so no run of a kind.
            if names:
                yield kind, sources, f"({names})(/seed[0-9]+)?"

    # Trajectories

    def idt_scores(self, ending: str) -> InputFunction:
        """The scores of a split by trajectories, computed or given; nothing where they are not part
        of the run.
        """

        def files(wildcards):
            idt, run = self._settings(wildcards)["idt"], run_of(wildcards)
            name = "scores" if idt["scores"] == "none" else "given"
            wanted = idt["enabled"] and run.variant == runs.COMPLETE
            return [self._in_split(wildcards, f"idt/{name}.{ending}")] if wanted else []

        return files

    def given_scores(self, wildcards) -> str:
        """The file of scores by trajectories that the config names for a split.

        Raises PipelineError when there is none.
        """
        name = self.sets.settings(wildcards.set, None)["idt"]["scores"]
        path = name.replace("{split}", wildcards.split)
        if not Path(path).is_file():
            raise PipelineError(
                f"idt.scores of set '{wildcards.set}' is {name}: there is no file {path}; correct "
                "it, or write none to have the scores computed"
            )
        return path

    # Results

    def shard_records(self, wildcards) -> list[str]:
        """The records of every shard that a run's result rests on."""
        name, split = wildcards.set, split_of(wildcards)
        train, test = (self.sets.subset_shards(name, split, side) for side in (TRAIN, TEST))
        codebook = self._in_split(wildcards, "idt/codebook.json")
        return provenance.shard_records(
            f"results/{name}", train, test, codebook if self._computes_idt(wildcards) else None
        )

    def trajectory_records(self, wildcards) -> list[str]:
        """Those of trajectories; `listings` stand for those of frames and flow."""
        if not self._computes_idt(wildcards):
            return []
        stores = tuple(f"results/{wildcards.set}/{store}/" for store in STORES.values())
        return [path for path in self.shard_records(wildcards) if not path.startswith(stores)]

    def stage_records(self, wildcards) -> list[str]:
        """The records of every other artifact that a run's result rests on."""
        name, run, sources = (
            wildcards.set,
            run_of(wildcards),
            self.sets.run_sources(run_of(wildcards)),
        )
        fuses = run.fuses(self.sets.config)
        trained = [self.trained_streams(wildcards)] if fuses else []
        trained += [run] if set(STREAMS) & set(sources) else []
        featured = [self._featured_streams(wildcards)] if fuses else []
        idt = ["codebook", "svm"] if self._computes_idt(wildcards) else []
        own = self._settings(wildcards)
        teaching = ["teacher"] if kinds.has_teacher(own) else []
        teaching += ["groups"] if kinds.has_groups(own) else []
        return [
            f"results/{name}/index.json",
            *(
                f"results/{name}/{run.split}/{stream}/{stage}.json"
                for stream in STREAMS
                for stage in teaching
            ),
            *(
                f"results/{name}/{one}/{stream}/{stage}.json"
                for stage, trained_runs in (("co2fi", trained), ("features", featured))
                for one in dict.fromkeys(filter(None, trained_runs))
                for stream in STREAMS
            ),
            *(
                f"results/{name}/{run}/{source}/asyn.json"
                for source in sources
                if source in DIRECTIONS
            ),
            *self.scores_of_run(RECORD)(wildcards),
            *(self._in_split(wildcards, f"idt/{stage}.json") for stage in idt),
            *self.idt_scores(RECORD)(wildcards),
        ]

    def _computes_idt(self, wildcards) -> bool:
        return any(path.endswith("/scores.json") for path in self.idt_scores(RECORD)(wildcards))

    # Tables

    def table_runs(self, wildcards) -> dict[str, Run]:
        """The runs of a set's tables, by variant/split/seed.

        Raises PipelineError for rows restricted to classes that the set has not.
        """
        settings = self.sets.settings(wildcards.set, None)
        plan, found = settings["tables"], {}
        tables.check_classes(wildcards.set, plan, self.sets.summary(wildcards.set).classes)
        for row in plan["rows"]:
            splits = plan["splits"] if row.get("splits") == "all" else plan["splits"][:1]
            for split in splits:
                for seed in plan["seeds"]:
                    own = None if seed == settings["seed"] else seed
                    found[f"{row['variant']}/{split}/{seed}"] = Run(split, row["variant"], own)
        return found

    def table_results(self, wildcards) -> list[str]:
        """The results of the runs of a set's tables."""
        return [
            f"results/{wildcards.set}/{run}/acc.json" for run in self.table_runs(wildcards).values()
        ]

    def _settings(self, wildcards) -> dict:
        return self.sets.settings(wildcards.set, run_of(wildcards))


def network_of(source: str) -> str:
    """The kind of network that scores a source."""
    return "asyn" if source in DIRECTIONS else "co2fi"
