# What the rules share: the sets of the config, the settings that a rule reads, and the shards that it needs.
# Standard library and light modules of the package only. Bad input ends Snakemake with its own sentence.
from functools import lru_cache, wraps
from pathlib import Path

from pipeline.config import check, runs, settings
from pipeline.evaluation import tables
from pipeline.jobs import code_id as code_ids
from pipeline.datasets import clips
from pipeline.datasets.load import load_set
from pipeline.datasets.videos import locate
from pipeline.errors import PipelineError

STORES = {"appearance": "frames", "motion": "flow"}  # what a stream reads
DIRECTIONS = {
    "appearance-to-motion": ("appearance", "motion"),
    "motion-to-appearance": ("motion", "appearance"),
}
SOURCES = [*STORES, *DIRECTIONS]
# What of `compute` the numbers of a training depend on; the rest is how it is run, and changing it reruns nothing.
NUMBERS = ["compute.threads", "compute.precision", "compute.layout"]


def speaks(function):
    """End Snakemake with the sentence of a PipelineError instead of a traceback."""

    @wraps(function)
    def spoken(*arguments):
        try:
            return function(*arguments)
        except PipelineError as error:
            sys.exit("\n".join(f"error: {line}" for line in str(error).splitlines()))

    return spoken


check_config = speaks(check.check)


@lru_cache(maxsize=None)
def entry(name):
    """The entry of a set in the config, without the settings that it overrides; the demo's says its seed."""
    config_of_set = settings.for_set(config, name)
    own = {
        key: value for key, value in config["sets"][name].items() if key != "settings"
    }
    return own | ({"seed": config_of_set["seed"]} if own["format"] == "demo" else {})


@lru_cache(maxsize=None)
@speaks
def clip_set(name):
    """The clips, classes and splits of a set, from its lists."""
    return load_set(name, entry(name))


@lru_cache(maxsize=None)
@speaks
def shards(name):
    """The clips of a set by shard."""
    return clip_set(name).shards(entry(name)["shards"])


@lru_cache(maxsize=None)
@speaks
def paths(name):
    """The video of each clip of a set, by clip id."""
    videos = Path(entry(name)["videos"])
    if entry(name)["format"] == "demo":  # not rendered yet, maybe
        return {
            clip.id: str(videos / clip.file) for clip in clip_set(name).clips.values()
        }
    return locate(clip_set(name), videos)[0]


@lru_cache(maxsize=None)
@speaks
def shards_of_part(name, split, part):
    """The shards that hold clips of a split's 'train' or 'test'."""
    groups = {clip.group for clip in clip_set(name).part(split, part)}
    return sorted({clips.shard_of(group, entry(name)["shards"]) for group in groups})


@lru_cache(maxsize=None)
@speaks
def settings_of(name, run):
    """The settings of a set, or of one of its runs."""
    return (
        runs.for_run(config, name, run) if run else settings.for_set(config, name)
    )


def run_of(wildcards):
    """The run that a job belongs to: a variant and a seed on a split; None before there are any."""
    text = dict(wildcards.items()).get("run")
    return runs.Run.parse(text) if text else None


def split_of(wildcards):
    """The split that a job belongs to."""
    run = run_of(wildcards)
    return run.split if run else wildcards.split


def own_settings(wildcards):
    """The settings that hold for a job."""
    return settings_of(wildcards.set, run_of(wildcards))


def videos_of_shard(wildcards):
    """The videos of a shard, where they lie."""
    return [
        paths(wildcards.set)[clip.id]
        for clip in shards(wildcards.set).get(wildcards.shard, [])
    ]


def shard_files(pattern):
    """Input function: `pattern` for each shard of the set."""

    def files(wildcards):
        return expand(pattern, set=wildcards.set, shard=shards(wildcards.set))

    return files


def examined_of_part(wildcards):
    """The examined shards that hold clips of a split's part."""
    needed = shards_of_part(wildcards.set, wildcards.split, wildcards.part)
    return expand("results/{set}/index/{shard}.csv", set=wildcards.set, shard=needed)


def store_files(part, ending, store=None):
    """Input function: the shards' files that hold a split's part; in the folder `store`, or of the stream's frames or flow."""

    def files(wildcards):
        name = (store or STORES[wildcards.stream]).format(**dict(wildcards.items()))
        needed = shards_of_part(wildcards.set, split_of(wildcards), part)
        return expand(
            "results/{set}/{store}/{shard}.{ending}",
            set=wildcards.set,
            store=name,
            shard=needed,
            ending=ending,
        )

    return files


def reads(*keys, part=None, damage=False):
    """Params function: the settings `keys`, as one line of JSON, and nothing else, so that only they rerun the rule.

    With `part` also the identity of a split's train or test clips; with `damage` the accepted damaged clips of a shard.
    """

    @speaks
    def params(wildcards):
        chosen = settings.cut(own_settings(wildcards), *keys)
        if part:
            chosen["identity"] = clip_set(wildcards.set).digest(
                split_of(wildcards), part
            )
        if damage:
            chosen["accept_damaged"] = accepted(wildcards)
        return settings.dump(chosen)

    return params


def accepted(wildcards):
    """The clips of a shard whose damage the config accepts."""
    held = {clip.id for clip in shards(wildcards.set).get(wildcards.shard, [])}
    return sorted(held & set(entry(wildcards.set)["accept_damaged"]))


def reads_entry(*keys, shard=False, part=False, lists=False):
    """Params function: `keys` of the set's entry in the config (all keys that it has, without any).

    With `shard` also the damaged clips accepted in the shard, with `part` the identity of the part of the split, with
    `lists` that of every part of every split.
    """

    @speaks
    def params(wildcards):
        own = entry(wildcards.set)
        chosen = {key: own[key] for key in keys or own if key in own}
        if shard:
            chosen["accept_damaged"] = accepted(wildcards)
        if part:
            chosen["identity"] = clip_set(wildcards.set).digest(
                wildcards.split, wildcards.part
            )
        if lists:
            whole = clip_set(wildcards.set)
            chosen["identity"] = {
                split: [whole.digest(split, part) for part in ("train", "test")]
                for split in whole.splits
            }
        return settings.dump(chosen)

    return params


@speaks
def code_id(script):
    """Identity of a program and of all that it imports from the package."""
    return code_ids.code_id(HERE / "workflow" / "scripts" / script)


def all_cores(wildcards):
    """All cores of this machine's run; a cluster's jobs take what its profile says, or a few."""
    return workflow.cores or 4


def compute_threads(wildcards):
    """Threads of a computation: a setting, as the result depends on them in the last bits."""
    return own_settings(wildcards)["compute"]["threads"]


def processes(wildcards):
    """The processes of a training, each with a GPU of its own where there are GPUs."""
    return own_settings(wildcards)["compute"]["processes"]


def launcher(wildcards):
    """What starts a training: torchrun, where it has several processes."""
    count = processes(wildcards)
    several = f' "$SCRIPTS"/torchrun.py --standalone --nproc-per-node {count}'
    return "python" + (several if count > 1 else "")


def how(wildcards):
    """The options of a training that its numbers do not depend on but for rounding."""
    own = own_settings(wildcards)["compute"]
    return f"--workers {own['workers']} --accumulate {own['accumulate']}"


def readers(wildcards):
    """The option of a scoring that says how many processes read for it; its numbers do not depend on it."""
    return f"--workers {own_settings(wildcards)['compute']['workers']}"


def reading_cores(wildcards):
    """The cores of a scoring: its own, and those of the processes that read for it."""
    own = own_settings(wildcards)["compute"]
    return own["threads"] + own["workers"]


def training_cores(wildcards):
    """The cores of a training: of all its processes, and of those that read for them."""
    return processes(wildcards) * reading_cores(wildcards)


def training_memory(megabytes):
    """Resource function: `megabytes` for each process of a training."""
    return lambda wildcards: megabytes * processes(wildcards)


def flow_gpus(wildcards):
    """GPUs that a job of flow asks a cluster for: one where the config says cuda, none for auto, which takes what is there."""
    return int(own_settings(wildcards)["flow"]["backend"] == "cuda")


def stream_store(wildcards):
    """The folder of shards that a stream reads."""
    return f"results/{wildcards.set}/{STORES[wildcards.stream]}"


def direction_stores(wildcards):
    """The folders of shards that a direction reads: of its one stream, and of its many."""
    return [
        f"results/{wildcards.set}/{STORES[stream]}"
        for stream in DIRECTIONS[wildcards.direction]
    ]


def of_split(name):
    """Input function: the file `name` that all runs of a split share."""

    def file(wildcards):
        return f"results/{wildcards.set}/{split_of(wildcards)}/{name}".format(
            **dict(wildcards.items())
        )

    return file


def whole_split(wildcards):
    """The folder of what all runs of a split share."""
    return split_of(wildcards)


def trained_streams(wildcards):
    """The run whose stream networks a direction starts from; None where it starts from network.weights."""
    if own_settings(wildcards)["asyn"]["start"] == "weights":
        return None
    return run_of(wildcards).streams(config)


def of_streams(name, run):
    """Input function: the file `name` of a direction's two streams, the one first, in the folder of `run(wildcards)`."""

    def files(wildcards):
        folder = run(wildcards)
        streams = DIRECTIONS[wildcards.direction] if folder else []
        return [
            f"results/{wildcards.set}/{folder}/{stream}/{name}" for stream in streams
        ]

    return files


def teacher_of_direct(ending):
    """Input function: the teacher that network.kind direct joins to VGG-16, or its record."""

    def files(wildcards):
        direct = own_settings(wildcards)["network"]["kind"] == "direct"
        return of_split(f"{{stream}}/teacher.{ending}")(wildcards) if direct else []

    return files


def sources_of(run):
    """What is fused in a run: streams, directions, or both."""
    streams = run.streams(config) == run
    return [*(STORES if streams else []), *(DIRECTIONS if run.fuses(config) else [])]


def kinds_of_runs():
    """The rules that score runs, each of one kind: its name, the sources of such a run, and a pattern of their names."""
    kinds = {
        "scores": SOURCES,
        "scores_of_streams": [*STORES],
        "scores_of_directions": [*DIRECTIONS],
    }
    variants = [runs.COMPLETE, *config["variants"]]
    runs = [runs.Run("split[0-9]+", variant) for variant in variants]
    for kind, sources in kinds.items():
        names = "|".join(str(run) for run in runs if sources_of(run) == sources)
        if names:  # a config may have no variants
            yield kind, sources, f"({names})(/seed[0-9]+)?"


def models_of_run(ending):
    """Input function: the models that score a run, in the order of its sources, or their records."""

    def files(wildcards):
        return [
            f"results/{wildcards.set}/{wildcards.run}/{source}/{'asyn' if source in DIRECTIONS else 'co2fi'}.{ending}"
            for source in sources_of(run_of(wildcards))
        ]

    return files


def scores_of_run(ending):
    """Input function: the scores of a run's sources, or their records."""

    @speaks
    def files(wildcards):
        return expand(
            "results/{set}/{run}/{source}/scores.{ending}",
            set=wildcards.set,
            run=wildcards.run,
            source=sources_of(run_of(wildcards)),
            ending=ending,
        )

    return files


def idt_scores(ending):
    """Input function: the scores of a split by trajectories, or their record; of the complete method, where enabled."""

    def files(wildcards):
        idt, run = own_settings(wildcards)["idt"], run_of(wildcards)
        made = "scores" if idt["scores"] == "none" else "given"
        name = f"results/{wildcards.set}/{run.split}/idt/{made}.{ending}"
        return [name] if idt["enabled"] and run.variant == runs.COMPLETE else []

    return files


@speaks
def given_scores(wildcards):
    """The file of scores by trajectories that the config names for a split."""
    name = settings.for_set(config, wildcards.set)["idt"]["scores"]
    path = name.replace("{split}", wildcards.split)
    if not Path(path).is_file():
        raise PipelineError(
            f"idt.scores of set '{wildcards.set}' is {name}: there is no file {path}; correct it, or write none to have "
            "the scores computed"
        )
    return path


def idt_records(wildcards):
    """The records of every artifact that a split's scores by trajectories rest on."""
    name, split = wildcards.set, split_of(wildcards)
    scores = idt_scores("json")(wildcards)
    if not scores or scores[0].endswith("given.json"):
        return scores
    own = f"results/{name}/{split}/idt"
    learned = [f"results/{name}/idt/{{shard}}.json", f"{own}/fisher/{{shard}}.json"]
    parts = [shards_of_part(name, split, part) for part in ("train", "test")]
    return [
        *expand(learned[0], shard=parts[0]),
        *expand(learned[1], shard=sorted({*parts[0], *parts[1]})),
        *(f"{own}/{stage}.json" for stage in ("codebook", "svm")),
        *scores,
    ]


def records_of_run(wildcards):
    """The records of every artifact that a run's result rests on."""
    name, run = wildcards.set, run_of(wildcards)
    stores = expand(
        "results/{set}/{store}/{shard}.json",
        set=name,
        store=STORES.values(),
        shard=shards(name),
    )
    split, streams = f"results/{name}/{run.split}", trained_streams(wildcards)
    trained = [streams] if run.fuses(config) and streams else []
    trained += [run] if set(STORES) & set(sources_of(run)) else []
    return [
        *stores,
        *expand(
            f"{split}/{{stream}}/{{stage}}.json",
            stream=STORES,
            stage=["teacher", "groups"],
        ),
        *expand(
            f"results/{name}/{{run}}/{{stream}}/co2fi.json",
            run=dict.fromkeys(trained),
            stream=STORES,
        ),
        *(
            f"results/{name}/{run}/{source}/asyn.json"
            for source in sources_of(run)
            if source in DIRECTIONS
        ),
        *scores_of_run("json")(wildcards),
        *idt_records(wildcards),
    ]


@speaks
def reads_all(wildcards):
    """Params function: the config of a run, for the record of a result, but for its tables and how trainings are run."""
    own = own_settings(wildcards)
    merged = {key: value for key, value in own.items() if key != "tables"}
    merged |= settings.cut(own, *NUMBERS) | {"set": entry(wildcards.set)}
    return settings.dump(merged)


@speaks
def table_runs(wildcards):
    """The runs of a set's tables, by variant/split/seed."""
    own = settings_of(wildcards.set, None)
    plan, runs = own["tables"], {}
    tables.check_classes(wildcards.set, plan, clip_set(wildcards.set).classes)
    for row in plan["rows"]:
        splits = plan["splits"] if row.get("splits") == "all" else plan["splits"][:1]
        for split in splits:
            for seed in plan["seeds"]:
                run = runs.Run(
                    split, row["variant"], None if seed == own["seed"] else seed
                )
                runs[f"{row['variant']}/{split}/{seed}"] = run
    return runs


def table_results(wildcards):
    """The results of the runs of a set's tables."""
    return [
        f"results/{wildcards.set}/{run}/acc.json"
        for run in table_runs(wildcards).values()
    ]


def table_names(wildcards):
    """The runs of a set's tables, in the order of their results."""
    return list(table_runs(wildcards))
