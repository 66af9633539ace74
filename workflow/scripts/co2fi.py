"""Train the coarse-to-fine network of one stream by Eq. 4."""

import json
from pathlib import Path

import torch

from pipeline import device, groups, program, record
from pipeline.datasets import index
from pipeline.inputs import Groups, Stream, StreamDraws, normalise
from pipeline.losses import co2fi_loss
from pipeline.models import build
from pipeline.train import train


def main() -> None:
    parser = program.parser(__doc__, "set", "split", "stream", "index", "shards", "groups", "checkpoints", "history",
                            "model")
    parser.add_argument("--records", nargs="+", required=True, help="records of what it reads")
    options = parser.parse_args()
    settings, seed = options.settings, options.settings["seed"]
    rows = index.read(options.index)
    classes = index.class_names(rows)
    processor = device.prepare(settings["compute"]["threads"])
    torch.manual_seed(seed)
    model = build.co2fi(settings, options.stream, len(classes))
    model.vgg.start_from(settings["network"]["weights"])
    stream = Stream(options.stream, options.shards, settings["crops"], settings["stack"])
    cached = Groups(options.groups, settings["groups"]["stride"])
    draws = StreamDraws(index.part(rows, options.split, "train"), stream, seed, cached)

    def loss_of(net, batch):
        formed = groups.form_all(batch["groups"], batch["label"], settings["granularities"])
        return co2fi_loss(net(normalise(batch["input"], options.stream)), batch["label"], formed,
                          settings["loss"]["alpha"], settings["loss"]["beta"])

    identity = {"settings": settings, "code": options.code, "inputs": program.inputs_digest(options.records)}
    history = train(model, loss_of, draws, settings["co2fi"] | settings["compute"],
                    checkpoints=Path(options.checkpoints), identity=identity, seed=seed, device=processor,
                    title=f"co2fi {options.split} {options.stream}")
    build.save(options.model, model, kind="co2fi", set=options.set, split=options.split, stream=options.stream,
               classes=classes)
    Path(options.history).write_text("".join(json.dumps(line) + "\n" for line in history))
    record.write(options.record, "co2fi", program.file_digest(options.model), settings, options.code,
                 device=device.name(processor), clips=len(draws.rows))


if __name__ == "__main__":
    program.run(main)
