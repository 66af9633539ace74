"""Train the small network that forms class groups, CNN_M_2048, on part of a split's training clips (section 6.1)."""

import torch
from torch.nn.functional import cross_entropy

from pipeline.compute import device
from pipeline.data import sampler
from pipeline.data.dataset import StreamDataset
from pipeline.data.stream import Stream
from pipeline.data.transforms import normalise
from pipeline.datasets import index
from pipeline.jobs import program
from pipeline.models import factory
from pipeline.training.job import finish, identity, parser, schedule
from pipeline.training.loop import train


def main() -> None:
    options = parser(__doc__, "stream", "shards").parse_args()
    settings, seed = options.settings, options.settings["seed"]
    rows = index.read(options.clips)
    classes = index.class_names(rows)
    chosen = sampler.class_fraction(rows, settings["teacher"]["fraction"], seed)
    processor = device.prepare(settings["compute"]["threads"])
    torch.manual_seed(seed)
    model = factory.teacher(settings, options.stream, len(classes))
    stream = Stream(options.stream, options.shards, settings["crops"], settings["stack"], chosen)

    def loss_of(net, batch):
        return cross_entropy(net(normalise(batch["input"], options.stream)), batch["label"])

    history = train(
        model,
        loss_of,
        StreamDataset(chosen, stream, seed),
        schedule(options, "teacher"),
        checkpoints=options.checkpoints,
        identity=identity(options),
        seed=seed,
        processor=processor,
        title=f"teacher {options.split} {options.stream}",
    )
    finish(options, "teacher", model, history, classes, processor, chosen)


if __name__ == "__main__":
    program.run(main)
