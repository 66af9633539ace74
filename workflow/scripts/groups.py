"""Rank the classes for every position that a training draw can take, by the teacher, on the centre crop."""

import hashlib

import numpy as np

from pipeline.compute import device
from pipeline.data import groups
from pipeline.data.stream import Stream
from pipeline.datasets import index
from pipeline.inference.scores import apply_at_instants
from pipeline.jobs import program, record
from pipeline.jobs.progress import Progress
from pipeline.models import checkpoint, factory
from pipeline.storage import writer
from pipeline.storage.keys import key_of


def main() -> None:
    options = program.reading_parser(
        __doc__, "set", "split", "stream", "clips", "shards", "model", "out"
    ).parse_args()
    settings = options.settings
    rows = index.read(options.clips)
    classes = index.class_names(rows)
    depth = max(settings["granularities"])
    processor = device.prepare(settings["compute"]["threads"])
    model = (
        checkpoint.load(
            options.model,
            factory.teacher(settings, options.stream, len(classes)),
            kind="teacher",
            set=options.set,
            split=options.split,
            stream=options.stream,
        )
        .to(processor)
        .eval()
    )
    stream = Stream(options.stream, options.shards, settings["crops"], settings["stack"], rows)
    progress = Progress(f"groups {options.split} {options.stream}", len(rows), "clips")
    digest, hits, positions = hashlib.sha256(), np.zeros(depth), 0
    with writer.create(options.out, "groups", settings, options.code, classes=classes) as file:
        instants = [
            np.arange(0, stream.last(row) + 1, settings["groups"]["stride"]) for row in rows
        ]
        every = apply_at_instants(
            {stream.name: model},
            {stream.name: stream},
            rows,
            instants,
            settings["scores"]["batch"],
            processor,
            program.workers(options),
        )
        for row, logits in zip(rows, every, strict=True):
            ranked = (
                groups.rank(logits[stream.name], depth).cpu().numpy().astype(np.uint16)
            )  # (positions, depth)
            data = file.create_dataset(key_of(row["clip"]), data=ranked)
            data.attrs.update({"clip": row["clip"], "label": row["label"]})
            digest.update(ranked)
            hits += (ranked == row["label"]).sum(axis=0)
            positions += len(ranked)
            progress.update(1, row["clip"])
    progress.close()
    found = {
        f"top{size}": float(hits[:size].sum() / positions) for size in settings["granularities"]
    }
    record.log(
        "true class among the teacher's likeliest: "
        + ", ".join(f"{k} {v:.1%}" for k, v in found.items())
    )
    record.write(
        options.record,
        "groups",
        digest.hexdigest()[:16],
        settings,
        options.code,
        device=device.name(processor),
        positions=positions,
        true_class_found=found,
    )


if __name__ == "__main__":
    program.run(main)
