"""Rank the classes at positions of the training clips by the teacher: they form class groups."""

import argparse

from pipeline.compute.device import device_facts, prepare_device
from pipeline.data.stream import Stream
from pipeline.datasets import index
from pipeline.inference.rankings import rank_clips, write_rankings
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
    teacher = checkpoint.load(
        options.model,
        factory.teacher(settings, options.stream, len(classes)),
        kind="teacher",
        set=options.set,
        split=options.split,
        stream=options.stream,
    )
    teacher.to(device).eval()
    stream = Stream(options.stream, options.shards, settings["crops"], settings["stack"], rows)
    depth = max(settings["granularities"])
    rankings = rank_clips(
        teacher,
        stream,
        rows,
        depth,
        settings["groups"]["stride"],
        settings["scores"]["batch"],
        device,
        program.workers(options),
        f"groups {options.split} {options.stream}",
    )
    digest, hits = write_rankings(
        options.out, rows, rankings, classes, depth, settings, options.code
    )
    shares = {f"top{size}": hits.share(size) for size in settings["granularities"]}
    record.log(
        "true class among the teacher's likeliest: "
        + ", ".join(f"{name} {share:.1%}" for name, share in shares.items())
    )
    record.write(
        options.record,
        "groups",
        digest,
        settings,
        options.code,
        **device_facts(device),
        positions=hits.positions,
        true_class_found=shares,
    )


if __name__ == "__main__":
    program.run_job(
        main,
        build_parser(),
        inputs=("clips", "model"),
        stores=("shards",),
        outputs=("out", "record"),
    )
