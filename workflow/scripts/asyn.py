"""Train a direction's asynchronous fusion network: with both streams' CO2FI nets by Eq. 6, or alone by Eq. 5."""

import torch

from pipeline.compute import device
from pipeline.data.dataset import FeatureDataset, PeriodDataset
from pipeline.data.groups import CachedRankings
from pipeline.data.stream import Stream
from pipeline.datasets import index
from pipeline.inference.features import features_of_clips
from pipeline.jobs import program
from pipeline.models import checkpoint, factory
from pipeline.streams import DIRECTIONS
from pipeline.training import job, objectives
from pipeline.training.job import finish, identity, schedule
from pipeline.training.loop import train


def main() -> None:
    parser = job.parser(__doc__, "direction")
    for stream, instants in (("one", "a single instant"), ("many", "a sequence of instants")):
        parser.add_argument(
            f"--shards-{stream}",
            required=True,
            help=f"shards of the stream that gives {instants}",
        )
        parser.add_argument(
            f"--groups-{stream}",
            required=True,
            help=f"class rankings of the stream that gives {instants}",
        )
    parser.add_argument(
        "--co2fi",
        nargs="*",
        default=[],
        help="the networks of the one and the many stream to start from",
    )
    options = parser.parse_args()
    settings, seed = options.settings, options.settings["seed"]
    rows = index.read(options.clips)
    classes = index.class_names(rows)
    names = DIRECTIONS[options.direction]
    processor = device.prepare(settings["compute"]["threads"])
    torch.manual_seed(seed)
    model = factory.asyn(settings, options.direction, len(classes))
    if options.co2fi:
        for net, path, stream in zip((model.one, model.many), options.co2fi, names, strict=True):
            checkpoint.load(
                path, net, kind="co2fi", set=options.set, split=options.split, stream=stream
            )
    else:
        for net in (model.one, model.many):
            net.start_from(settings["network"]["weights"])
    one, many = (
        Stream(stream, folder, settings["crops"], settings["stack"], rows)
        for stream, folder in zip(names, (options.shards_one, options.shards_many), strict=True)
    )
    period = settings["period"]
    if settings["asyn"]["joint"]:
        cached = [
            CachedRankings(path, settings["groups"]["stride"])
            for path in (options.groups_one, options.groups_many)
        ]
        draws = PeriodDataset(rows, one, many, seed, period["delta"], period["instants"], *cached)
        loss_of = objectives.of_direction(options.direction, settings)
    else:
        features = features_of_clips(
            model,
            (one, many),
            rows,
            settings["scores"]["batch"],
            processor,
            program.workers(options),
        )
        draws = FeatureDataset(rows, features, seed, period["delta"], period["instants"])
        loss_of = objectives.of_fusion(settings)
    history = train(
        model,
        loss_of,
        draws,
        schedule(options, "asyn"),
        checkpoints=options.checkpoints,
        identity=identity(options),
        seed=seed,
        processor=processor,
        title=f"asyn {options.split} {options.direction}",
    )
    finish(options, "asyn", model, history, classes, processor, rows)


if __name__ == "__main__":
    program.run(main)
