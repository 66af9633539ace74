"""What a run has learned, as it is applied to any video: networks, settings, classes, fusion."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import jsonschema
import numpy as np
import yaml
from torch import nn

from pipeline.config import backbones, shipped
from pipeline.config.settings import overlay
from pipeline.config.spelling import LOADER
from pipeline.datasets import index
from pipeline.errors import PipelineError
from pipeline.idt import fisher
from pipeline.models import checkpoint, factory
from pipeline.storage import reader
from pipeline.streams import DIRECTIONS, STREAMS

# The sections of a run's settings that a prediction depends on.
SECTIONS = (
    *("decode", "flow", "store", "stack", "crops", "granularities", "period", "teacher"),
    *("network", "fusion_network", "scores", "compute"),
)
# Keys that came after results were made which can still be used, with what they meant before.
ADDED = {
    "network": {"backbone": "vgg16", "batch_norm": "auto"},
    "scores": {"crops": "centre", "snippets": 0},
    "fusion": {"rule": "paper"},
}
# What a result says of itself that is shown beside a prediction.
SHOWN = (
    *("set", "split", "clips", "classes", "headline"),
    *("accuracy", "mean_class_accuracy", "top5_accuracy"),
)
# Stages whose code a prediction repeats.
STAGES = ("frames", "flow", "scores", "idt_fisher")
# How trajectories and networks are brought to one scale.
NORMALISATIONS = ("none", "l2", "softmax", "standardised")
# Beyond these settings, a file that somebody made to do harm would fill the memory.
LARGEST = {"side": 4096, "stack": 100, "instants": 10_000, "batch": 10_000}


@dataclass
class Trajectories:
    """The classifiers of a run's trajectories: `weights` (classes, D) and `bias` (classes,).

    `codebooks` are by descriptor.
    """

    codebooks: dict[str, fisher.Codebook]
    weights: np.ndarray
    bias: np.ndarray

    def score(self, batches: Iterator[np.ndarray]) -> np.ndarray:
        """The decision values (classes,) float32 of a clip with trajectories (n, 436) a batch."""
        vector = fisher.encode(batches, self.codebooks)
        return (self.weights @ vector + self.bias).astype(np.float32)


@dataclass
class Trained:
    """A trained run.

    result: what its acc.json says of the run, its clips and accuracies (SHOWN).
    settings: those of the run.
    classes: in the order of all scores.
    models: networks by source, a stream or a direction, as they score.
    trajectories: None where the run has none, or took their scores from a file.
    fusion: the rule, the weights and the spreads, as the result states them.
    training: digests of the videos that it was trained on; none where they are not known.
    made: by what it was made: code ids by stage, and versions of packages.
    """

    result: dict
    settings: dict
    classes: list[str]
    models: dict[str, nn.Module]
    trajectories: Trajectories | None
    fusion: dict
    training: frozenset[str]
    made: dict

    @property
    def name(self) -> str:
        return f"{self.result['set']} {self.result['split']}"

    @property
    def sources(self) -> list[str]:
        return [*self.models, *(["idt"] if self.trajectories else [])]


def of_run(result: dict, path: Path, fusion: dict) -> Trained:
    """The run whose result `path`, an acc.json, holds, from the files beside it.

    `fusion` is how its scores are fused, as in Trained.
    Raises PipelineError where the result does not say how it was made, or a file is missing,
    damaged or of another run.
    """
    settings = settings_of(result, path)
    folder, split = path.parent, split_folder(path, result)
    models, classes = {}, {}
    for source in networks(result, path):
        models[source], classes[source] = _network(folder / source, source, settings, result)
    names = next(iter(classes.values()))
    if any(others != names for others in classes.values()):
        raise PipelineError(
            f"{folder}: its networks have different classes, or another order of them; they are of "
            "several runs: name the folder of one run"
        )
    trajectories = _trajectories(split / "idt", result, names) if has_idt(result, path) else None
    sources = [*models, *(["idt"] if trajectories else [])]
    check_fusion(fusion, sources, path)
    table = split / "train.csv"
    rows = index.read(table) if table.is_file() else []
    return Trained(
        {key: result[key] for key in SHOWN if key in result},
        settings,
        names,
        models,
        trajectories,
        fusion,
        frozenset(row["sha256"] for row in rows),
        made_by(result),
    )


def split_folder(path: Path, result: dict) -> Path:
    """The folder of a result's split, where all runs of a split have what they share."""
    deeper = result["split"].count("/")
    return path.absolute().parents[deeper]


def settings_of(result: dict, path: Path) -> dict:
    """The settings that a result was made with, checked as far as a prediction depends on them.

    Raises PipelineError where it has none, or some that cannot be.
    """
    found = result.get("provenance")
    found = found.get("config") if isinstance(found, dict) else None
    if not isinstance(found, dict):
        raise PipelineError(
            f"{path}: it does not say which settings it was made with (provenance.config); name "
            "the acc.json of a run of this program"
        )
    known = {key: value for key, value in found.items() if key != "set"}
    settings = overlay({key: dict(value) for key, value in ADDED.items()}, known)
    check_settings(settings, path)
    return settings


def check_settings(settings: dict, path: Path) -> None:
    """Raise PipelineError for settings, as of the file `path`, with which nothing can be scored."""
    schema = yaml.load(shipped.SCHEMA.read_text(), Loader=LOADER)
    sections = {key: schema["properties"][key] for key in SECTIONS}
    wanted = {"$defs": schema["$defs"], "required": list(SECTIONS), "properties": sections}
    error = next(jsonschema.Draft202012Validator(wanted).iter_errors(settings), None)
    problem = error and f"'{'.'.join(map(str, error.absolute_path))}': {error.message[:200]}"
    try:
        problem = problem or _beyond_limits(settings)
    except KeyError as missing:
        problem = f"{missing} is missing"
    if problem:
        raise PipelineError(
            f"{path}: its settings cannot be those of a run ({problem}); name a result of this "
            "program, as it was written"
        )


def _beyond_limits(settings: dict) -> str:
    """Which of the settings is beyond LARGEST, or an unknown network; '' where none is."""
    crops, period = settings["crops"], settings["period"]
    backbone = settings["network"]["backbone"].partition(".")[0]
    if backbone != backbones.OWN["network"] and backbone not in backbones.tags_by_name():
        return f"'network.backbone' is {backbone[:100]!r}, which this program does not know"
    sides = (*crops["frame"], crops["size"], crops["test"], settings["decode"]["short_side"])
    values = {
        "crops": (max(sides), LARGEST["side"]),
        "stack": (settings["stack"], LARGEST["stack"]),
        "period": (period["count"] * period["instants"], LARGEST["instants"]),
        "scores.snippets": (settings["scores"]["snippets"], LARGEST["instants"]),
        "scores.batch": (settings["scores"]["batch"], LARGEST["batch"]),
        "granularities": (len(settings["granularities"]), LARGEST["stack"]),
    }
    return next(
        (
            f"'{key}' has {value:,}, more than {limit:,}"
            for key, (value, limit) in values.items()
            if value > limit
        ),
        "",
    )


def networks(result: dict, path: Path) -> list[str]:
    """The streams and directions whose networks a result rests on.

    Raises PipelineError where it does not say so.
    """
    found = [source for source in (*STREAMS, *DIRECTIONS) if source in _scored(result)]
    if not found:
        raise PipelineError(
            f"{path}: it does not say of which networks its scores are (provenance.stages.scores); "
            "name the acc.json of a run of this program"
        )
    return found


def has_idt(result: dict, path: Path) -> bool:
    """Whether a result has trajectories of its own, not scores that were given."""
    return _scored(result).get("idt") == "scores.json"


def _scored(result: dict) -> dict[str, str]:
    """The name of the record of each source that a result fuses."""
    try:
        records = map(Path, result["provenance"]["stages"]["scores"]["artifacts"])
        return {record.parent.name: record.name for record in records}
    except (KeyError, TypeError):
        return {}


def made_by(result: dict) -> dict:
    """By what a result was made: code ids by stage, the solver of flow, versions of packages."""
    provenance = result["provenance"]
    stages = provenance.get("stages", {})
    return {
        "code": {stage: stages[stage]["code"] for stage in STAGES if stage in stages},
        "solver": stages.get("flow", {}).get("solver", []),
        "packages": provenance.get("packages", {}),
    }


def build(source: str, settings: dict, classes: int) -> nn.Module:
    """The network of a source, with random weights."""
    if source in DIRECTIONS:
        return factory.asyn(settings, source, classes)
    return factory.stream_net(settings, source, classes)


def _network(
    folder: Path, source: str, settings: dict, result: dict
) -> tuple[nn.Module, list[str]]:
    """The trained network of a source in its folder, and the names of its classes."""
    kind, what = ("asyn", "direction") if source in DIRECTIONS else ("co2fi", "stream")
    path = folder / f"{kind}.pt"
    classes = checkpoint.classes_of(path)
    identity = {"set": result["set"], "split": result["split"].partition("/")[0], what: source}
    model = build(source, settings, len(classes))
    return checkpoint.load(path, model, kind=kind, **identity).eval(), classes


def _trajectories(folder: Path, result: dict, classes: list[str]) -> Trajectories:
    """The codebooks and classifiers of a split, in its folder of trajectories."""
    codebooks = fisher.read(str(folder / "codebook.h5"))
    with reader.opened(folder / "svm.h5", "svm") as file:
        weights, bias = file["weights"][...], file["bias"][...]
        names = list(file["classes"].asstr())
    return fitting(Trajectories(codebooks, weights, bias), names, classes, folder / "svm.h5")


def fitting(
    found: Trajectories, names: Iterable[str], classes: list[str], path: Path
) -> Trajectories:
    """The trajectories of the file `path`, whose classes are `names`, as they are.

    Raises PipelineError where they do not fit one another, or the `classes` of the networks.
    """
    length = sum(codebook.size for codebook in found.codebooks.values())
    fits = (
        list(names) == classes
        and found.weights.shape == (len(classes), length)
        and found.bias.shape == (len(classes),)
        and all(_fits(found.codebooks[name], size) for name, size in fisher.LENGTHS.items())
    )
    if not fits:
        raise PipelineError(
            f"{path}: classifiers of other classes or another codebook than those of this run; "
            "name the files of one run"
        )
    return found


def _fits(codebook: fisher.Codebook, length: int) -> bool:
    """Whether the arrays of a codebook are of descriptors of so many values."""
    axes, means = codebook.axes.shape, codebook.means.shape
    return (
        codebook.mean.shape == (length,)
        and len(axes) == len(means) == 2
        and axes == (means[1], length)
        and codebook.variances.shape == means
        and codebook.weights.shape == means[:1]
    )


def check_fusion(fusion: dict, sources: list[str], path: Path) -> None:
    """Raise PipelineError where scores of the `sources` cannot be fused as the file `path` says."""
    networks = [source for source in sources if source != "idt"]
    needed = [*sources, *(["asyn"] if "idt" in sources else [])]
    try:
        numbers = [fusion["weights"][source] for source in networks]
        if fusion["rule"] == "standardised":
            numbers += [fusion["spreads"][source] for source in needed]
        if "idt" in sources:
            numbers.append(fusion["idt"]["weight"])
        fits = (
            fusion["rule"] in ("standardised", "paper")
            # Of a sum whose weights are 0 there is no mean.
            and all(
                not set(group) <= set(networks) or sum(fusion["weights"][n] for n in group) > 0
                for group in (STREAMS, DIRECTIONS)
            )
            and all(type(number) in (int, float) and math.isfinite(number) for number in numbers)
            and ("idt" not in sources or fusion["idt"]["normalise"] in NORMALISATIONS)
        )
    except (KeyError, TypeError):
        fits = False
    if not fits:
        raise PipelineError(
            f"{path}: it does not say how its scores are fused, by rule, weights and spreads; name "
            "a result of this program, as it was written"
        )
