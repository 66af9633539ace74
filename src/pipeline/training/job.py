"""What the programs of all trainings share: their options, their schedule, and how they end."""

import argparse
import hashlib
import json
import shutil
from pathlib import Path

import torch
from torch import nn

from pipeline import files
from pipeline.compute import device, ranks
from pipeline.jobs import record
from pipeline.jobs.program import reading_parser, workers
from pipeline.jobs.record import read as read_record
from pipeline.models import checkpoint


def parser(description: str, *options: str) -> argparse.ArgumentParser:
    """`parser` with what every training takes: its clips, where its outputs go, the records of its inputs, how it is run."""
    result = reading_parser(
        description, "set", "split", "clips", "checkpoints", "history", "model", *options
    )
    result.add_argument("--records", nargs="+", required=True, help="records of what it reads")
    result.add_argument(
        "--accumulate",
        type=int,
        default=1,
        help="parts in which a batch passes through the network",
    )
    return result


def schedule(options: argparse.Namespace, schedule: str) -> dict:
    """The plan of a training (`pipeline.train.train`): its `schedule` in the settings, and how it is run."""
    how = {"workers": workers(options), "accumulate": options.accumulate}
    return options.settings[schedule] | options.settings["compute"] | how


def identity(options: argparse.Namespace) -> dict:
    """What a training is of: its settings, its code and the content of its inputs. Only a checkpoint of the same goes on."""
    inputs = [read_record(path)["digest"] for path in sorted(options.records)]
    settings = {
        name: value for name, value in options.settings.items() if name != "compute"
    }  # `train` looks at those
    return {
        "settings": settings,
        "code": options.code,
        "inputs": hashlib.sha256(json.dumps(inputs).encode()).hexdigest()[:16],
    }


def finish(
    options: argparse.Namespace,
    kind: str,
    model: nn.Module,
    history: list[dict],
    classes: list[str],
    processor: torch.device,
    rows: list[dict],
) -> None:
    """Write a model trained on the clips `rows`, its history and its record where a program's `options` say.

    Checkpoints are forgotten. The first of several processes does; the others wait for it.
    """
    if ranks.rank() > 0:
        return ranks.shutdown()
    about = {
        key: value
        for key, value in vars(options).items()
        if key in ("set", "split", "stream", "direction")
    }
    checkpoint.save(options.model, model, rows, kind=kind, classes=classes, **about)
    Path(options.history).write_text("".join(json.dumps(line) + "\n" for line in history))
    record.write(
        options.record,
        kind,
        files.digest(options.model),
        options.settings,
        options.code,
        device=device.name(processor),
        clips=len(rows),
        accumulate=options.accumulate,
        precision=device.precision(options.settings["compute"]["precision"], processor),
    )
    shutil.rmtree(options.checkpoints, ignore_errors=True)
    ranks.shutdown()
