"""Train the small network that forms class groups, CNN_M_2048, on part of a split's training clips (section 6.1)."""

import json
from pathlib import Path

import torch
from torch.nn.functional import cross_entropy

from pipeline import device, program, record, sampling
from pipeline.datasets import index
from pipeline.inputs import Stream, StreamDraws, normalise
from pipeline.models import build
from pipeline.train import train


def main() -> None:
    parser = program.parser(__doc__, "set", "split", "stream", "index", "shards", "checkpoints", "history", "model")
    parser.add_argument("--records", nargs="+", required=True, help="records of what it reads")
    options = parser.parse_args()
    settings, seed = options.settings, options.settings["seed"]
    rows = index.read(options.index)
    classes = index.class_names(rows)
    chosen = sampling.fraction(index.part(rows, options.split, "train"), settings["teacher"]["fraction"], seed)
    processor = device.prepare(settings["compute"]["threads"])
    torch.manual_seed(seed)
    model = build.teacher(settings, options.stream, len(classes))
    stream = Stream(options.stream, options.shards, settings["crops"], settings["stack"])

    def loss_of(net, batch):
        return cross_entropy(net(normalise(batch["input"], options.stream)), batch["label"])

    identity = {"settings": settings, "code": options.code, "inputs": program.inputs_digest(options.records)}
    history = train(model, loss_of, StreamDraws(chosen, stream, seed), settings["teacher"] | settings["compute"],
                    checkpoints=Path(options.checkpoints), identity=identity, seed=seed, device=processor,
                    title=f"teacher {options.split} {options.stream}")
    build.save(options.model, model, kind="teacher", set=options.set, split=options.split, stream=options.stream,
               classes=classes)
    Path(options.history).write_text("".join(json.dumps(line) + "\n" for line in history))
    record.write(options.record, "teacher", program.file_digest(options.model), settings, options.code,
                 device=device.name(processor), clips=len(chosen))


if __name__ == "__main__":
    program.run(main)
