"""Score the test clips of a split by all sources of a run: CO2FI of streams, ASYN of directions."""

import argparse

import numpy as np
from torch import nn

from pipeline.compute.device import device_facts, prepare_device
from pipeline.data.crops import eval_crops
from pipeline.data.stream import Stream
from pipeline.datasets import index
from pipeline.evaluation.score_files import write_scores
from pipeline.inference.scores import score_clips, summarise
from pipeline.jobs import program, record
from pipeline.jobs.progress import Progress
from pipeline.models import checkpoint, factory
from pipeline.streams import DIRECTIONS

LISTS = {
    "sources": "streams and directions",
    "models": "the model of each",
    "out": "the scores of each",
    "record": "the record of each",
}


def read_model(
    path: str, source: str, settings: dict, rows: list[dict], **identity
) -> tuple[nn.Module, list[str]]:
    """The model of a stream or a direction, and the names of its classes.

    It must not have been trained on the clips `rows`, and must be of the set and split `identity`.
    """
    classes = checkpoint.classes_of(path)
    if source in DIRECTIONS:
        model = factory.asyn(settings, source, len(classes))
        identity |= {"kind": "asyn", "direction": source}
    else:
        model = factory.stream_net(settings, source, len(classes))
        identity |= {"kind": "co2fi", "stream": source}
    checkpoint.load(path, model, rows, **identity)
    index.check_classes(rows, classes)
    return model.eval(), classes


def build_parser() -> argparse.ArgumentParser:
    parser = program.reading_parser(
        __doc__, "set", "split", "clips", "frames", "flow", record=False
    )
    for name, meaning in LISTS.items():
        parser.add_argument(f"--{name}", nargs="+", required=True, help=meaning)
    return parser


def main(options: argparse.Namespace) -> None:
    settings = options.settings
    rows = index.read(options.clips)
    device = prepare_device(settings["compute"]["threads"], options.device)
    streams = {
        "appearance": Stream(
            "appearance", options.frames, settings["crops"], settings["stack"], rows
        ),
        "motion": Stream("motion", options.flow, settings["crops"], settings["stack"], rows),
    }
    models, classes = {}, {}
    for source, path in zip(options.sources, options.models, strict=True):
        model, classes[source] = read_model(
            path, source, settings, rows, set=options.set, split=options.split
        )
        models[source] = model.to(device)
    crops = eval_crops(
        settings["crops"]["frame"], settings["crops"]["test"], settings["scores"]["crops"]
    )
    progress = Progress(f"scores {options.split} {', '.join(models)}", len(rows), "clips")
    logits = {source: [] for source in models}
    logits_of_clips = score_clips(
        models,
        streams,
        rows,
        crops,
        settings["period"],
        settings["scores"]["batch"],
        device,
        program.workers(options),
        settings["scores"]["snippets"],
    )
    for row, of_clip in zip(rows, logits_of_clips, strict=True):
        for source in models:
            logits[source].append(of_clip[source])
        progress.update(1, row["clip"])
    progress.close()
    for source, out, record_path in zip(models, options.out, options.record, strict=True):
        # (clips, crops x instants, classes), and of a direction (clips, crops x periods, classes)
        stacked = np.stack(logits.pop(source)).astype(np.float32)
        scores = summarise(stacked, settings["scores"]["space"])
        digest = write_scores(
            out, source, rows, classes[source], scores, settings, options.code, stacked
        )
        record.write(
            record_path,
            "scores",
            digest,
            settings,
            options.code,
            len(models),
            **device_facts(device),
            clips=len(rows),
        )


if __name__ == "__main__":
    program.run_job(
        main,
        build_parser(),
        inputs=("clips", "models"),
        stores=("frames", "flow"),
        outputs=("out", "record"),
    )
