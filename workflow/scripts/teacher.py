"""Train the small network that forms class groups, CNN_M_2048, on part of a split's training clips (section 6.1)."""

import torch

from pipeline import device, objectives, program, sampling
from pipeline.datasets import index
from pipeline.inputs import Stream, StreamDraws
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
    history = train(model, objectives.of_teacher(options.stream), StreamDraws(chosen, stream, seed),
                    program.plan(options, "teacher"), checkpoints=options.checkpoints, identity=program.identity(options),
                    seed=seed, processor=processor, title=f"teacher {options.split} {options.stream}")
    finish(options, "teacher", model, history, classes, processor, chosen)


if __name__ == "__main__":
    program.run(main)
