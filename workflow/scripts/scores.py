"""Score the test clips of a split by one source: a stream's CO2FI, or a direction's ASYN."""

import hashlib

import numpy as np

from pipeline import device, program, record, store
from pipeline.datasets import index
from pipeline.inputs import DIRECTIONS, Stream
from pipeline.models import build
from pipeline.progress import Progress
from pipeline.scores import of_direction, of_stream, summarise


def main() -> None:
    parser = program.parser(__doc__, "set", "split", "source", "clips", "frames", "flow", "model", "out")
    options = parser.parse_args()
    settings = options.settings
    rows = index.read(options.clips)
    processor = device.prepare(settings["compute"]["threads"])
    streams = {"appearance": Stream("appearance", options.frames, settings["crops"], settings["stack"], rows),
               "motion": Stream("motion", options.flow, settings["crops"], settings["stack"], rows)}
    classes = build.classes_of(options.model)
    if options.source in DIRECTIONS:
        net, about = build.asyn(settings, options.source, len(classes)), {"kind": "asyn", "direction": options.source}
        one, many = (streams[name] for name in DIRECTIONS[options.source])
    else:
        net, about = build.stream_net(settings, options.source, len(classes)), {"kind": "co2fi", "stream": options.source}
    model = build.load(options.model, net, rows, set=options.set, split=options.split, **about).to(processor).eval()
    index.check_classes(rows, classes)
    progress = Progress(f"scores {options.split} {options.source}", len(rows), "clips")
    logits = []
    for row in rows:
        last = min(stream.last(row) for stream in streams.values())
        common = row, last, settings["period"], settings["scores"]["batch"], processor
        if options.source in DIRECTIONS:
            logits.append(of_direction(model, one, many, *common))
        else:
            logits.append(of_stream(model, streams[options.source], *common))
        progress.update(1, row["clip"])
    progress.close()
    logits = np.stack(logits).astype(np.float32)  # (clips, instants, classes)
    with store.create(options.out, "scores", settings, options.code, source=options.source) as file:
        file["clips"] = [row["clip"] for row in rows]
        file["labels"] = np.array([row["label"] for row in rows])
        file["classes"] = classes
        file.create_dataset("logits", data=logits, compression="gzip")
        file["scores"] = summarise(logits, settings["scores"]["space"])
    record.write(options.record, "scores", hashlib.sha256(logits).hexdigest()[:16], settings, options.code,
                 device=device.name(processor), clips=len(rows))


if __name__ == "__main__":
    program.run(main)
