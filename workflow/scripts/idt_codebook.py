"""Learn the codebooks of a split, one per descriptor, from samples of its training clips."""

import argparse
from dataclasses import asdict

from threadpoolctl import threadpool_limits

from pipeline.datasets import index
from pipeline.idt import fisher
from pipeline.idt.codebook import (
    choose_clips,
    choose_trajectories,
    read_descriptor,
    require_enough,
)
from pipeline.jobs import program, record
from pipeline.jobs.progress import Progress
from pipeline.storage import reader, writer


def build_parser() -> argparse.ArgumentParser:
    return program.parser(__doc__, "split", "clips", "samples", "out")


def main(options: argparse.Namespace) -> None:
    settings, idt = options.settings, options.settings["idt"]
    shards = reader.Shards(options.samples, "samples")
    rows = index.read(options.clips)
    samples = [shards.dataset(row) for row in rows]
    counts = [len(data) for data in samples]
    require_enough(counts, idt["components"], options.split)
    if idt["draw"] == "clips":
        clips = [row["clip"] for row in rows]
        masks = choose_clips(clips, counts, idt["samples"], settings["seed"])
    else:
        masks = choose_trajectories(counts, idt["samples"], settings["seed"])
    progress = Progress(f"idt codebook {options.split}", len(fisher.DESCRIPTORS), "descriptors")
    with (
        threadpool_limits(settings["compute"]["threads"]),
        writer.create(options.out, "codebook", settings, options.code) as file,
    ):
        for name, columns in fisher.DESCRIPTORS.items():
            values = read_descriptor(samples, masks, columns)
            codebook = fisher.learn(values, idt["components"], settings["seed"])
            for field, array in asdict(codebook).items():
                file[f"{name}_{field}"] = array
            progress.update(1, name)
    progress.close()
    record.write(
        options.record,
        "idt_codebook",
        reader.content_digest(options.out, "codebook"),
        settings,
        options.code,
        trajectories=sum(int(mask.sum()) for mask in masks),
    )


if __name__ == "__main__":
    program.run_job(
        main, build_parser(), inputs=("clips",), stores=("samples",), outputs=("out", "record")
    )
