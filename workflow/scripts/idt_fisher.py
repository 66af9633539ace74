"""Encode the improved dense trajectories of each clip of a shard as a Fisher vector.

The trajectories themselves are not kept.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from pipeline.datasets import shard
from pipeline.idt import fisher
from pipeline.idt.extract import trajectories
from pipeline.jobs import program, record
from pipeline.jobs.progress import Progress
from pipeline.video import ffmpeg
from pipeline.video.decode import decode


def build_parser() -> argparse.ArgumentParser:
    return shard.parser(__doc__, "split", "codebook")


def main(options: argparse.Namespace) -> None:
    # A vector depends on the codebook, so its digest is one of the settings: clips that an earlier
    # run has encoded with another codebook are not reused.
    codebook_digest = record.read(record.content_path(options.codebook))["digest"]
    settings = options.settings | {"codebook": codebook_digest}
    rows = shard.read_rows(options)
    codebooks = fisher.read(options.codebook)
    progress = Progress(
        f"idt fisher {options.split} {Path(options.out).stem}",
        sum(row["frames"] for row in rows),
        "frames",
    )
    # A shard is the work of one core; more cores take more shards.
    cv2.setNumThreads(1)

    def vector(row: dict) -> Iterator[np.ndarray]:
        def frames() -> Iterator[np.ndarray]:
            accept_damaged = row["clip"] in settings["accept_damaged"]
            for frame in decode(row["path"], settings["decode"]["short_side"], accept_damaged):
                yield frame
                progress.update(1, row["clip"])

        yield fisher.encode(trajectories(frames(), row["frames"]), codebooks)

    shard.run_shard(
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
