"""Train the small network that forms class groups, CNN_M_2048, on part of a split's training clips (section 6.1)."""

import torch
from torch.nn.functional import cross_entropy

from pipeline import device, program, sampling
from pipeline.datasets import index
from pipeline.draws import StreamDraws
from pipeline.inputs import Stream, normalise
from pipeline.models import build
from pipeline.train import finish, train


def main() -> None:
    options = program.training_parser(__doc__, "stream", "shards").parse_args()
    settings, seed = options.settings, options.settings["seed"]
    rows = index.read(options.clips)
    classes = index.class_names(rows)
    chosen = sampling.fraction(rows, settings["teacher"]["fraction"], seed)
    processor = device.prepare(settings["compute"]["threads"])
    torch.manual_seed(seed)
    model = build.teacher(settings, options.stream, len(classes))
    stream = Stream(options.stream, options.shards, settings["crops"], settings["stack"], chosen)

    def loss_of(net, batch):
        return cross_entropy(net(normalise(batch["input"], options.stream)), batch["label"])

    history = train(model, loss_of, StreamDraws(chosen, stream, seed),
                    program.plan(options, "teacher"), checkpoints=options.checkpoints, identity=program.identity(options),
                    seed=seed, processor=processor, title=f"teacher {options.split} {options.stream}")
    finish(options, "teacher", model, history, classes, processor, chosen)


if __name__ == "__main__":
    program.run(main)
