"""Train the coarse-to-fine network of one stream by Eq. 4."""

import torch

from pipeline import device, groups, program
from pipeline.datasets import index
from pipeline.inputs import Groups, Stream, StreamDraws, normalise
from pipeline.losses import co2fi_loss
from pipeline.models import build
from pipeline.train import finish, train


def main() -> None:
    options = program.training_parser(__doc__, "stream", "shards", "groups").parse_args()
    settings, seed = options.settings, options.settings["seed"]
    rows = index.read(options.clips)
    classes = index.class_names(rows)
    processor = device.prepare(settings["compute"]["threads"])
    torch.manual_seed(seed)
    model = build.co2fi(settings, options.stream, len(classes))
    model.vgg.start_from(settings["network"]["weights"])
    stream = Stream(options.stream, options.shards, settings["crops"], settings["stack"], rows)
    cached = Groups(options.groups, settings["groups"]["stride"])
    draws = StreamDraws(rows, stream, seed, cached)

    def loss_of(net, batch):
        formed = groups.form_all(batch["groups"], batch["label"], settings["granularities"])
        return co2fi_loss(net(normalise(batch["input"], options.stream)), batch["label"], formed,
                          settings["loss"]["alpha"], settings["loss"]["beta"])

    history = train(model, loss_of, draws, settings["co2fi"] | settings["compute"], checkpoints=options.checkpoints,
                    identity=program.identity(options), seed=seed, processor=processor,
                    title=f"co2fi {options.split} {options.stream}")
    finish(options, "co2fi", model, history, classes, processor, len(rows))


if __name__ == "__main__":
    program.run(main)
