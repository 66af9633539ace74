"""Train a direction's asynchronous fusion network: with both streams' CO2FI nets by Eq. 6, or alone by Eq. 5."""

import torch

from pipeline import device, groups, program
from pipeline.datasets import index
from pipeline.inputs import DIRECTIONS, FeatureDraws, Groups, PeriodDraws, Stream, normalise
from pipeline.losses import joint_loss, unit_loss
from pipeline.models import build
from pipeline.scores import features_of_clips
from pipeline.train import finish, train


def main() -> None:
    parser = program.training_parser(__doc__, "direction")
    for stream in ("one", "many"):
        parser.add_argument(f"--shards-{stream}", required=True)
        parser.add_argument(f"--groups-{stream}", required=True)
    parser.add_argument("--co2fi", nargs="*", default=[], help="the networks of the one and the many stream to start from")
    options = parser.parse_args()
    settings, seed = options.settings, options.settings["seed"]
    rows = index.read(options.clips)
    classes = index.class_names(rows)
    names = DIRECTIONS[options.direction]
    processor = device.prepare(settings["compute"]["threads"])
    torch.manual_seed(seed)
    model = build.asyn(settings, options.direction, len(classes))
    if options.co2fi:
        for net, path, stream in zip((model.one, model.many), options.co2fi, names, strict=True):
            build.load(path, net, kind="co2fi", set=options.set, split=options.split, stream=stream)
    else:
        for net in (model.one, model.many):
            net.start_from(settings["network"]["weights"])
    one, many = (Stream(stream, folder, settings["crops"], settings["stack"], rows)
                 for stream, folder in zip(names, (options.shards_one, options.shards_many), strict=True))
    period, loss = settings["period"], settings["loss"]
    if settings["asyn"]["joint"]:
        cached = [Groups(path, settings["groups"]["stride"]) for path in (options.groups_one, options.groups_many)]
        draws = PeriodDraws(rows, one, many, seed, period["delta"], period["instants"], *cached)

        def loss_of(net, batch):
            labels, sizes = batch["label"], settings["granularities"]
            output = net(normalise(batch["one"], names[0]), normalise(batch["many"], names[1]))
            ranked_many = batch["groups_many"].flatten(0, 1)  # (B, T, depth) -> (B T, depth)
            labels_many = labels.repeat_interleave(period["instants"])
            return joint_loss(output, labels, groups.form_all(batch["groups_one"], labels, sizes),
                              groups.form_all(ranked_many, labels_many, sizes), loss["alpha"], loss["beta"], loss["gamma"])
    else:
        features = features_of_clips(model, one, many, rows, settings["scores"]["batch"], processor)
        draws = FeatureDraws(rows, features, seed, period["delta"], period["instants"])

        def loss_of(net, batch):
            return unit_loss(net.fusion(batch["one"], batch["many"]), batch["label"], loss["gamma"])

    history = train(model, loss_of, draws, settings["asyn"] | settings["compute"], checkpoints=options.checkpoints,
                    identity=program.identity(options), seed=seed, processor=processor,
                    title=f"asyn {options.split} {options.direction}")
    finish(options, "asyn", model, history, classes, processor, len(rows))


if __name__ == "__main__":
    program.run(main)
