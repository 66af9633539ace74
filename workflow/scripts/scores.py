"""Score the test clips of a split by all sources of a run: CO2FI of streams, ASYN of directions."""

import hashlib

import numpy as np
from torch import nn

from pipeline.compute import device
from pipeline.data.crops import eval_crops
from pipeline.data.stream import Stream
from pipeline.datasets import index
from pipeline.inference.scores import score_clips, summarise
from pipeline.jobs import program, record
from pipeline.jobs.progress import Progress
from pipeline.models import checkpoint, factory
from pipeline.storage import writer
from pipeline.streams import DIRECTIONS

LISTS = {
    "sources": "streams and directions",
    "models": "the model of each",
    "out": "the scores of each",
    "record": "the record of each",
}


def read_model(
    path: str, source: str, settings: dict, rows: list[dict], **about
) -> tuple[nn.Module, list[str]]:
    """The model of a stream or a direction, which must not have seen the clips `rows`, and the classes that it knows."""
    classes = checkpoint.classes_of(path)
    if source in DIRECTIONS:
        net, about = (
            factory.asyn(settings, source, len(classes)),
            about | {"kind": "asyn", "direction": source},
        )
    else:
        net, about = (
            factory.stream_net(settings, source, len(classes)),
            about | {"kind": "co2fi", "stream": source},
        )
    checkpoint.load(path, net, rows, **about)
    index.check_classes(rows, classes)
    return net.eval(), classes


def main() -> None:
    parser = program.reading_parser(
        __doc__, "set", "split", "clips", "frames", "flow", record=False
    )
    for name, what in LISTS.items():
        parser.add_argument(f"--{name}", nargs="+", required=True, help=what)
    options = parser.parse_args()
    settings = options.settings
    rows = index.read(options.clips)
    processor = device.prepare(settings["compute"]["threads"])
    streams = {
        "appearance": Stream(
            "appearance", options.frames, settings["crops"], settings["stack"], rows
        ),
        "motion": Stream("motion", options.flow, settings["crops"], settings["stack"], rows),
    }
    models, classes = {}, {}
    for source, path in zip(options.sources, options.models, strict=True):
        net, classes[source] = read_model(
            path, source, settings, rows, set=options.set, split=options.split
        )
        models[source] = net.to(processor)
    crops = eval_crops(
        settings["crops"]["frame"], settings["crops"]["test"], settings["scores"]["crops"]
    )
    progress = Progress(f"scores {options.split} {', '.join(models)}", len(rows), "clips")
    logits = {source: [] for source in models}
    every = score_clips(
        models,
        streams,
        rows,
        crops,
        settings["period"],
        settings["scores"]["batch"],
        processor,
        program.workers(options),
    )
    for row, found in zip(rows, every, strict=True):
        for source in models:
            logits[source].append(found[source])
        progress.update(1, row["clip"])
    progress.close()
    for source, out, beside in zip(models, options.out, options.record, strict=True):
        whole = np.stack(logits.pop(source)).astype(
            np.float32
        )  # (clips, crops x instants, classes)
        with writer.create(out, "scores", settings, options.code, source=source) as file:
            file["clips"] = [row["clip"] for row in rows]
            file["labels"] = np.array([row["label"] for row in rows])
            file["classes"] = classes[source]
            file.create_dataset("logits", data=whole, compression="gzip")
            file["scores"] = summarise(whole, settings["scores"]["space"])
        record.write(
            beside,
            "scores",
            hashlib.sha256(whole).hexdigest()[:16],
            settings,
            options.code,
            len(models),
            device=device.name(processor),
            clips=len(rows),
        )


if __name__ == "__main__":
    program.run(main)
