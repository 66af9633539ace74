"""Train the network of one stream: CO2FI by Eq. 4, or a baseline by cross-entropy.

A baseline may learn from several snippets of a clip at once, as TSN does.
"""

import argparse

import torch
from torch.utils.data import Dataset

from pipeline.compute.device import prepare_device
from pipeline.data.dataset import SnippetDataset, StreamDataset
from pipeline.data.stream import Stream
from pipeline.datasets import index
from pipeline.jobs import program
from pipeline.models import checkpoint, factory
from pipeline.training import job, objectives
from pipeline.training.job import finish, identity, schedule, weights
from pipeline.training.loop import train
from pipeline.training.step import Criterion


def build_dataset(
    options: argparse.Namespace, stream: Stream, rows: list[dict]
) -> tuple[Dataset, Criterion]:
    """Return the training samples, of an instant or of one in each segment, and the criterion."""
    settings = options.settings
    seed, segments = settings["seed"], settings["co2fi"]["segments"]
    if segments > 1:
        dataset = SnippetDataset(rows, stream, seed, segments)
        return dataset, objectives.consensus_criterion(options.stream)
    rankings = job.rankings(settings, options.groups)
    dataset = StreamDataset(rows, stream, seed, *rankings)
    return dataset, objectives.stream_criterion(options.stream, settings)


def build_parser() -> argparse.ArgumentParser:
    parser = job.parser(__doc__, "stream", "shards", "weights")
    parser.add_argument(
        "--groups",
        nargs="*",
        default=[],
        help=f"{program.OPTIONS['groups']}; network.kind co2fi alone learns them",
    )
    parser.add_argument(
        "--teacher",
        nargs="*",
        default=[],
        help="model file of the teacher, from which network.kind direct starts",
    )
    return parser


def main(options: argparse.Namespace) -> None:
    settings, seed = options.settings, options.settings["seed"]
    rows = index.read(options.clips)
    classes = index.class_names(rows)
    device = prepare_device(settings["compute"]["threads"], options.device)
    torch.manual_seed(seed)
    model = factory.stream_net(settings, options.stream, len(classes))
    model.start_from(weights(options))
    for path in options.teacher:
        checkpoint.load(
            path,
            model.beside,
            kind="teacher",
            set=options.set,
            split=options.split,
            stream=options.stream,
        )
    stream = Stream(options.stream, options.shards, settings["crops"], settings["stack"], rows)
    dataset, criterion = build_dataset(options, stream, rows)
    history = train(
        model,
        criterion,
        dataset,
        schedule(options, "co2fi"),
        checkpoints=options.checkpoints,
        identity=identity(options),
        seed=seed,
        device=device,
        title=f"co2fi {options.split} {options.stream}",
    )
    finish(options, "co2fi", model, history, classes, device, rows)


if __name__ == "__main__":
    program.run_job(
        main,
        build_parser(),
        inputs=("clips", "groups", "teacher"),
        stores=("shards",),
        outputs=("model", "history", "record"),
    )
