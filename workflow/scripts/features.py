"""Apply a stream's network to training clips: the fusion network alone learns on its features."""

import argparse

from pipeline.compute.device import device_facts, prepare_device
from pipeline.data.stream import Stream
from pipeline.datasets import index
from pipeline.inference.features import features_of_clips, write_features
from pipeline.jobs import program, record
from pipeline.models import checkpoint, factory


def build_parser() -> argparse.ArgumentParser:
    return program.reading_parser(
        __doc__, "set", "split", "stream", "clips", "shards", "model", "out"
    )


def main(options: argparse.Namespace) -> None:
    settings = options.settings
    rows = index.read(options.clips)
    classes = index.class_names(rows)
    device = prepare_device(settings["compute"]["threads"], options.device)
    net = checkpoint.load(
        options.model,
        factory.stream_net(settings, options.stream, len(classes)),
        kind="co2fi",
        set=options.set,
        split=options.split,
        stream=options.stream,
    )
    net.to(device).eval()
    features = features_of_clips(
        net,
        Stream(options.stream, options.shards, settings["crops"], settings["stack"], rows),
        rows,
        settings["scores"]["batch"],
        device,
        program.workers(options),
        f"features {options.split} {options.stream}",
    )
    digest = write_features(options.out, rows, features, settings, options.code)
    record.write(
        options.record,
        "features",
        digest,
        settings,
        options.code,
        **device_facts(device),
        clips=len(rows),
    )


if __name__ == "__main__":
    program.run_job(
        main,
        build_parser(),
        inputs=("clips", "model"),
        stores=("shards",),
        outputs=("out", "record"),
    )
