# What the rules share: the sets of the config, the settings that a rule reads, and the shards that it needs.
# Standard library and light modules of the package only. Bad input ends Snakemake with its own sentence.
from functools import lru_cache, wraps
from pathlib import Path

from pipeline import codeid, settings
from pipeline.datasets import clips, sets
from pipeline.errors import PipelineError

STORES = {"appearance": "frames", "motion": "flow"}  # what a stream reads
DIRECTIONS = {
    "appearance-to-motion": ("appearance", "motion"),
    "motion-to-appearance": ("motion", "appearance"),
}
SOURCES = [*STORES, *DIRECTIONS]


def speaks(function):
    """End Snakemake with the sentence of a PipelineError instead of a traceback."""

    @wraps(function)
    def spoken(*arguments):
        try:
            return function(*arguments)
        except PipelineError as error:
            sys.exit("\n".join(f"error: {line}" for line in str(error).splitlines()))

    return spoken


check_config = speaks(settings.check)


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
    return sets.read(name, entry(name))


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
    return clips.locate(clip_set(name), videos)[0]


@lru_cache(maxsize=None)
@speaks
def shards_of_part(name, split, part):
    """The shards that hold clips of a split's 'train' or 'test'."""
    groups = {clip.group for clip in clip_set(name).part(split, part)}
    return sorted({clips.shard_of(group, entry(name)["shards"]) for group in groups})


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
        needed = shards_of_part(wildcards.set, wildcards.split, part)
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
        chosen = settings.cut(settings.for_set(config, wildcards.set), *keys)
        if part:
            chosen["identity"] = clip_set(wildcards.set).digest(wildcards.split, part)
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
    return codeid.code_id(HERE / "workflow" / "scripts" / script)


def all_cores(wildcards):
    """All cores of this machine's run; a cluster's jobs take what its profile says, or a few."""
    return workflow.cores or 4


def compute_threads(wildcards):
    """Threads of a training or scoring: a setting, as the result depends on them in the last bits."""
    return settings.for_set(config, wildcards.set)["compute"]["threads"]


def stream_store(wildcards):
    """The folder of shards that a stream reads."""
    return f"results/{wildcards.set}/{STORES[wildcards.stream]}"


def direction_stores(wildcards):
    """The folders of shards that a direction reads: of its one stream, and of its many."""
    return [
        f"results/{wildcards.set}/{STORES[stream]}"
        for stream in DIRECTIONS[wildcards.direction]
    ]


def of_streams(name):
    """Input function: the file `name` of a direction's two streams, the one first."""

    def files(wildcards):
        streams = DIRECTIONS[wildcards.direction]
        return expand(
            "results/{set}/{split}/{stream}/{name}",
            **dict(wildcards.items()),
            stream=streams,
            name=name,
        )

    return files


def model_of_source(ending):
    """Input function: the model that makes a source's scores, or its record."""

    def file(wildcards):
        kind = "asyn" if wildcards.source in DIRECTIONS else "co2fi"
        return f"results/{wildcards.set}/{wildcards.split}/{wildcards.source}/{kind}.{ending}"

    return file


def idt_scores(ending):
    """Input function: the scores of a split by trajectories, or their record; none where they are not enabled."""

    @speaks
    def files(wildcards):
        idt = settings.for_set(config, wildcards.set)["idt"]
        made = "scores" if idt["scores"] == "none" else "given"
        name = f"results/{wildcards.set}/{wildcards.split}/idt/{made}.{ending}"
        return [name] if idt["enabled"] else []

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
    name, split = wildcards.set, wildcards.split
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


def records_of_split(wildcards):
    """The records of every artifact that a split's result rests on."""
    name, split = wildcards.set, wildcards.split
    stores = expand(
        "results/{set}/{store}/{shard}.json",
        set=name,
        store=STORES.values(),
        shard=shards(name),
    )
    kept = [
        (
            "{stream}/{stage}",
            {"stream": STORES, "stage": ["teacher", "groups", "co2fi"]},
        ),
        ("{direction}/asyn", {"direction": DIRECTIONS}),
        ("{source}/scores", {"source": SOURCES}),
    ]
    return [
        *stores,
        *(
            path
            for stem, values in kept
            for path in expand(f"results/{name}/{split}/{stem}.json", **values)
        ),
        *idt_records(wildcards),
    ]


@speaks
def reads_all(wildcards):
    """Params function: the whole config of a set, for the record of a result."""
    merged = settings.for_set(config, wildcards.set)
    return settings.dump(merged | {"set": entry(wildcards.set)})
