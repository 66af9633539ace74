"""Encode the improved dense trajectories of each clip of a shard as a Fisher vector; the trajectories are not kept."""

import argparse
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from pipeline.datasets import index
from pipeline.datasets.shard import run_shard
from pipeline.idt import fisher
from pipeline.idt.extract import trajectories
from pipeline.jobs import program, record
from pipeline.jobs.progress import Progress
from pipeline.video import ffmpeg
from pipeline.video.decode import decode


def build_parser() -> argparse.ArgumentParser:
    return program.parser(__doc__, "split", "clips", "videos", "codebook", "out")


def main(options: argparse.Namespace) -> None:
    # A codebook is part of what makes a vector: clips that an earlier run finished with another one do not count.
    settings = options.settings | {
        "codebook": record.read(record.content_path(options.codebook))["digest"]
    }
    rows = index.read(options.clips, index.EXAMINED, options.videos)
    codebooks = fisher.read(options.codebook)
    progress = Progress(
        f"idt fisher {options.split} {Path(options.out).stem}",
        sum(row["frames"] for row in rows),
        "frames",
    )
    cv2.setNumThreads(1)  # a shard is one core's work; more cores take more shards

    def vector(row: dict) -> Iterator[np.ndarray]:
        def frames() -> Iterator[np.ndarray]:
            accept = row["clip"] in settings["accept_damaged"]
            for frame in decode(row["path"], settings["decode"]["short_side"], accept):
                yield frame
                progress.update(1, row["clip"])

        yield fisher.encode(trajectories(frames(), row["frames"]), codebooks)

    run_shard(
        options,
        settings,
        stage="idt_fisher",
        kind="fisher",
        rows=rows,
        make_arrays=vector,
        progress=progress,
        units=lambda row: row["frames"],
        made_with=f"opencv {cv2.__version__}, ffmpeg {ffmpeg.version()}",
    )


if __name__ == "__main__":
    program.run_job(main, build_parser(), inputs=("clips", "codebook"), outputs=("out", "record"))
