"""What the programs of all training runs share: their options, their schedule, and how they end."""

import argparse
import json
import shutil

import torch
from torch import nn

from pipeline import files
from pipeline.compute import ranks
from pipeline.compute.device import device_facts, resolve_precision
from pipeline.config import kinds
from pipeline.data.groups import CachedRankings
from pipeline.errors import PipelineError
from pipeline.jobs import record
from pipeline.jobs.program import reading_parser, workers
from pipeline.models import checkpoint


def parser(description: str, *options: str) -> argparse.ArgumentParser:
    """Return a parser of the options of every training run and of the required text `options`."""
    result = reading_parser(
        description, "set", "split", "clips", "checkpoints", "history", "model", *options
    )
    result.add_argument(
        "--accumulate",
        type=int,
        default=1,
        help="micro-batches in which a batch passes through the network",
    )
    result.add_argument(
        "--checkpoint-minutes", type=float, default=5, help="minutes between two checkpoints"
    )
    result.add_argument(
        "--compile",
        choices=("auto", "always", "never"),
        default="auto",
        help="whether torch.compile makes kernels of the network first (default auto: for long "
        "trainings on a GPU)",
    )
    return result


def schedule(options: argparse.Namespace, section: str) -> dict:
    """Return the schedule of a training run, as `loop.train` takes it.

    It joins the `section` of the settings (teacher, co2fi or asyn), the section compute, and the
    options that say how the run is computed.
    """
    execution = {
        "workers": workers(options),
        "accumulate": options.accumulate,
        "checkpoint_minutes": options.checkpoint_minutes,
        "compile": options.compile,
    }
    return options.settings[section] | options.settings["compute"] | execution


def weights(options: argparse.Namespace, section: str = "network") -> str:
    """Return what a training starts from, --weights: a word, or a file as the settings state it.

    `section` is that of the settings which states it, under weights. Raises PipelineError for a
    file that was replaced after the settings were stated.
    """
    stated, path = options.settings[section]["weights"], options.weights
    if stated.startswith("file "):
        with files.reading(path):
            changed = stated != f"file {files.digest(path)}"
        if changed:
            raise PipelineError(
                f"{path}: the weights have changed since this run began; run the same snakemake "
                "command again, which takes them as they are now"
            )
    return path


def rankings(settings: dict, paths: list[str], count: int = 1) -> list[CachedRankings]:
    """Return the rankings from which the networks of a run form groups; baselines have none.

    `paths` are the files of `count` networks. Raises PipelineError where there are more or fewer.
    """
    if not kinds.has_groups(settings):
        return []
    if len(paths) != count:
        raise PipelineError(
            "network.kind co2fi learns groups of classes, which files of rankings give, of a "
            f"direction two: {count} wanted, {len(paths)} named; name them by --groups, or "
            "--groups-single and --groups-sequence"
        )
    return [CachedRankings(path, settings["groups"]["stride"]) for path in paths]


def identity(options: argparse.Namespace) -> dict:
    """Return what a training run is made of: its settings, its code and its inputs' content.

    Training resumes only from a checkpoint of the same identity.
    """
    # The schedule holds the section compute, and `train` adds what matters of it to the identity.
    settings = {name: value for name, value in options.settings.items() if name != "compute"}
    return {"settings": settings, "code": options.code, "inputs": options.inputs}


def finish(
    options: argparse.Namespace,
    kind: str,
    model: nn.Module,
    history: list[dict],
    classes: list[str],
    device: torch.device,
    rows: list[dict],
) -> None:
    """Write the trained model, its history and its record to the paths in `options`.

    `rows` of the index are the clips that the model was trained on. The checkpoints of the run are
    deleted. Rank 0 does all this; the other ranks wait for it.
    """
    if ranks.rank() > 0:
        return ranks.shutdown()
    about = {
        key: value
        for key, value in vars(options).items()
        if key in ("set", "split", "stream", "direction")
    }
    checkpoint.save(options.model, model, rows, kind=kind, classes=classes, **about)
    with files.replacing(options.history) as temporary:
        temporary.write_text("".join(json.dumps(line) + "\n" for line in history))
    record.write(
        options.record,
        kind,
        files.digest(options.model),
        options.settings,
        options.code,
        **device_facts(device),
        clips=len(rows),
        accumulate=options.accumulate,
        precision=resolve_precision(options.settings["compute"]["precision"], device),
    )
    shutil.rmtree(options.checkpoints, ignore_errors=True)
    ranks.shutdown()
