"""Train the asynchronous fusion network of a direction.

It is trained with both streams' networks by Eq. 6, or alone by Eq. 5 on features of fixed networks.
"""

import argparse

import torch
from torch import nn
from torch.utils.data import Dataset

from pipeline.compute.device import prepare_device
from pipeline.data.dataset import FeatureDataset, PeriodDataset
from pipeline.data.stream import Stream
from pipeline.datasets import index
from pipeline.inference.features import read_features
from pipeline.jobs import program
from pipeline.models import checkpoint, factory
from pipeline.streams import DIRECTIONS
from pipeline.training import job, objectives
from pipeline.training.job import finish, identity, schedule, weights
from pipeline.training.loop import train
from pipeline.training.step import Criterion


def build_model(options: argparse.Namespace, classes: int) -> nn.Module:
    """Build the network of the direction; its streams start from CO2FI models or from weights."""
    settings = options.settings
    model = factory.asyn(settings, options.direction, classes)
    networks = (model.one, model.many)
    if not options.co2fi:
        for network in networks:
            network.start_from(weights(options))
        return model
    streams = DIRECTIONS[options.direction]
    for network, path, stream in zip(networks, options.co2fi, streams, strict=True):
        checkpoint.load(
            path, network, kind="co2fi", set=options.set, split=options.split, stream=stream
        )
        # Without gradients several processes exchange none.
        network.requires_grad_(settings["asyn"]["joint"])
    return model


def build_dataset(options: argparse.Namespace, rows: list[dict]) -> tuple[Dataset, Criterion]:
    """Return the training samples and the criterion, of joint training or of the fusion alone."""
    settings = options.settings
    seed, period = settings["seed"], settings["period"]
    if not settings["asyn"]["joint"]:
        features = read_features(options.features, rows)
        dataset = FeatureDataset(rows, features, seed, period["delta"], period["instants"])
        return dataset, objectives.fusion_criterion(settings)
    streams = tuple(
        Stream(stream, folder, settings["crops"], settings["stack"], rows)
        for stream, folder in zip(
            DIRECTIONS[options.direction],
            (options.shards_single, options.shards_sequence),
            strict=True,
        )
    )
    paths = [*options.groups_single, *options.groups_sequence]
    rankings = job.rankings(settings, paths, count=2)
    dataset = PeriodDataset(rows, *streams, seed, period["delta"], period["instants"], *rankings)
    return dataset, objectives.direction_criterion(options.direction, settings)


def build_parser() -> argparse.ArgumentParser:
    parser = job.parser(__doc__, "direction", "shards-single", "shards-sequence", "weights")
    for option in ("groups-single", "groups-sequence"):
        parser.add_argument(
            f"--{option}",
            nargs="*",
            default=[],
            help=f"{program.OPTIONS[option]}; networks of network.kind co2fi that learn need them",
        )
    parser.add_argument(
        "--co2fi",
        nargs="*",
        default=[],
        help="model files of the single and the sequence stream's networks to start from",
    )
    parser.add_argument(
        "--features",
        nargs="*",
        default=[],
        help="features of the single and the sequence stream's networks, where these do not learn "
        "(HDF5)",
    )
    return parser


def main(options: argparse.Namespace) -> None:
    settings, seed = options.settings, options.settings["seed"]
    rows = index.read(options.clips)
    classes = index.class_names(rows)
    device = prepare_device(settings["compute"]["threads"], options.device)
    torch.manual_seed(seed)
    model = build_model(options, len(classes))
    dataset, criterion = build_dataset(options, rows)
    history = train(
        model,
        criterion,
        dataset,
        schedule(options, "asyn"),
        checkpoints=options.checkpoints,
        identity=identity(options),
        seed=seed,
        device=device,
        title=f"asyn {options.split} {options.direction}",
    )
    finish(options, "asyn", model, history, classes, device, rows)


if __name__ == "__main__":
    program.run_job(
        main,
        build_parser(),
        inputs=("clips", "groups_single", "groups_sequence", "co2fi", "features"),
        stores=("shards_single", "shards_sequence"),
        outputs=("model", "history", "record"),
    )
