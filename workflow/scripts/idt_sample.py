"""Draw a sample of the improved dense trajectories of each clip of a shard, for codebooks."""

import argparse
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import cv2
import numpy as np

from pipeline.datasets import shard
from pipeline.idt.extract import trajectories
from pipeline.idt.sample import choose_window, clip_rng, draw_sample
from pipeline.jobs import program
from pipeline.jobs.progress import Progress
from pipeline.video import ffmpeg
from pipeline.video.decode import decode


def build_parser() -> argparse.ArgumentParser:
    return shard.parser(__doc__)


def main(options: argparse.Namespace) -> None:
    settings, idt = options.settings, options.settings["idt"]
    rows = shard.read_rows(options)
    progress = Progress(f"idt sample {Path(options.out).stem}", len(rows), "clips")
    # A shard is the work of one core; more cores take more shards.
    cv2.setNumThreads(1)

    def sample(row: dict) -> Iterator[np.ndarray]:
        rng = clip_rng(settings["seed"], row["clip"])
        first, end = choose_window(row["frames"], idt["window"], rng)
        accept_damaged = row["clip"] in settings["accept_damaged"]
        frames = decode(row["path"], settings["decode"]["short_side"], accept_damaged)
        batches = trajectories(islice(frames, first, end), end - first)
        yield draw_sample(batches, idt["samples_per_clip"], rng)
        progress.update(1, row["clip"])

    shard.run_shard(
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
