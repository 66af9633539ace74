"""Train the teacher, a network that ranks classes for the class groups (paper, section 6.1).

It learns from a fraction of the training clips of a split.
"""

import argparse

import torch
from torch.nn.functional import cross_entropy

from pipeline.compute.device import prepare_device
from pipeline.data import sampler
from pipeline.data.dataset import StreamDataset
from pipeline.data.stream import Stream
from pipeline.data.transforms import normalise
from pipeline.datasets import index
from pipeline.jobs import program
from pipeline.models import factory
from pipeline.training.job import finish, identity, parser, schedule, weights
from pipeline.training.loop import train


def build_parser() -> argparse.ArgumentParser:
    return parser(__doc__, "stream", "shards", "weights")


def main(options: argparse.Namespace) -> None:
    settings, seed = options.settings, options.settings["seed"]
    rows = index.read(options.clips)
    classes = index.class_names(rows)
    chosen = sampler.class_fraction(rows, settings["teacher"]["fraction"], seed)
    device = prepare_device(settings["compute"]["threads"], options.device)
    torch.manual_seed(seed)
    model = factory.teacher(settings, options.stream, len(classes))
    if settings["teacher"]["weights"] != "none":
        model.start_from(weights(options, "teacher"))
    stream = Stream(options.stream, options.shards, settings["crops"], settings["stack"], chosen)

    def criterion(model, batch):
        logits = model(normalise(batch["input"], options.stream))  # (B, classes)
        return cross_entropy(logits, batch["label"])

    history = train(
        model,
        criterion,
        StreamDataset(chosen, stream, seed),
        schedule(options, "teacher"),
        checkpoints=options.checkpoints,
        identity=identity(options),
        seed=seed,
        device=device,
        title=f"teacher {options.split} {options.stream}",
    )
    finish(options, "teacher", model, history, classes, device, chosen)


if __name__ == "__main__":
    program.run_job(
        main,
        build_parser(),
        inputs=("clips",),
        stores=("shards",),
        outputs=("model", "history", "record"),
    )
