"""Learn the codebooks of a split, one a descriptor, from samples of its training clips' trajectories."""

import argparse
from dataclasses import asdict

import numpy as np
from threadpoolctl import threadpool_limits

from pipeline.datasets import index
from pipeline.errors import PipelineError
from pipeline.idt import fisher
from pipeline.jobs import program, record
from pipeline.jobs.progress import Progress
from pipeline.storage import reader, writer


def build_parser() -> argparse.ArgumentParser:
    return program.parser(__doc__, "split", "clips", "samples", "out")


def main(options: argparse.Namespace) -> None:
    settings, idt = options.settings, options.settings["idt"]
    rows = index.read(options.clips)
    shards = reader.Shards(options.samples, "samples")
    sampled = [shards.dataset(row) for row in rows]
    counts = [len(data) for data in sampled]
    least = max(idt["components"], max(fisher.LENGTHS.values()) // 2)
    if sum(counts) < least:
        raise PipelineError(
            f"the {len(rows)} training clips of {options.split} gave {sum(counts)} trajectories, and a "
            f"codebook of {idt['components']} Gaussians wants {least}; sample more by idt.window and "
            "idt.samples_per_clip, or set idt.enabled to false: what hardly moves has no trajectories"
        )
    chosen = np.zeros(sum(counts), bool)
    chosen[np.random.default_rng(settings["seed"]).permutation(len(chosen))[: idt["samples"]]] = (
        True
    )
    masks = np.split(chosen, np.cumsum(counts)[:-1])  # by clip
    progress = Progress(f"idt codebook {options.split}", len(fisher.PARTS), "descriptors")
    with (
        threadpool_limits(settings["compute"]["threads"]),
        writer.create(options.out, "codebook", settings, options.code) as file,
    ):
        for part, columns in fisher.PARTS.items():
            values = np.concatenate(
                [data[:, columns][mask] for data, mask in zip(sampled, masks, strict=True)]
            )
            for name, array in asdict(
                fisher.learn(values, idt["components"], settings["seed"])
            ).items():
                file[f"{part}_{name}"] = array
            progress.update(1, part)
    progress.close()
    record.write(
        options.record,
        "idt_codebook",
        reader.content_digest(options.out, "codebook"),
        settings,
        options.code,
        trajectories=int(chosen.sum()),
    )


if __name__ == "__main__":
    program.run_job(
        main, build_parser(), inputs=("clips",), stores=("samples",), outputs=("out", "record")
    )
