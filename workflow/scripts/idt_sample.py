"""Keep a sample of the improved dense trajectories of each clip of a shard, for the codebooks."""

import argparse
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import cv2
import numpy as np

from pipeline.datasets import index
from pipeline.datasets.shard import run_shard
from pipeline.idt.extract import trajectories
from pipeline.idt.sample import draw, rng_of, window
from pipeline.jobs import program
from pipeline.jobs.progress import Progress
from pipeline.video import ffmpeg
from pipeline.video.decode import decode


def build_parser() -> argparse.ArgumentParser:
    return program.parser(__doc__, "clips", "videos", "out")


def main(options: argparse.Namespace) -> None:
    settings, idt = options.settings, options.settings["idt"]
    rows = index.read(options.clips, index.EXAMINED, options.videos)
    progress = Progress(f"idt sample {Path(options.out).stem}", len(rows), "clips")
    cv2.setNumThreads(1)  # a shard is one core's work; more cores take more shards

    def sample(row: dict) -> Iterator[np.ndarray]:
        rng = rng_of(settings["seed"], row["clip"])
        first, end = window(row["frames"], idt["window"], rng)
        frames = decode(
            row["path"], settings["decode"]["short_side"], row["clip"] in settings["accept_damaged"]
        )
        yield draw(
            trajectories(islice(frames, first, end), end - first), idt["samples_per_clip"], rng
        )
        progress.update(1, row["clip"])

    run_shard(
        options,
        settings,
        stage="idt_sample",
        kind="samples",
        rows=rows,
        make_arrays=sample,
        progress=progress,
        units=lambda row: 1,
        made_with=f"opencv {cv2.__version__}, ffmpeg {ffmpeg.version()}",
    )


if __name__ == "__main__":
    program.run_job(main, build_parser(), inputs=("clips",), outputs=("out", "record"))
