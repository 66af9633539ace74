"""Decode every frame of one shard's clips and write the frames to HDF5."""

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from pipeline.datasets import shard
from pipeline.jobs import program
from pipeline.jobs.progress import Progress
from pipeline.storage.codecs import Codec
from pipeline.video import ffmpeg
from pipeline.video.decode import decode


def build_parser() -> argparse.ArgumentParser:
    return shard.parser(__doc__)


def main(options: argparse.Namespace) -> None:
    settings = options.settings
    rows = shard.read_rows(options)
    progress = Progress(f"frames {Path(options.out).stem}", len(rows), "clips")

    def frames(row: dict) -> Iterator[np.ndarray]:
        """Yield the frames of a clip, (H, W, 3) uint8 RGB."""
        accept = row["clip"] in settings["accept_damaged"]
        yield from decode(row["path"], settings["decode"]["short_side"], accept)
        progress.update(1, row["clip"])

    ffmpeg_version = ffmpeg.version()
    shard.run_shard(
        options,
        settings,
        stage="frames",
        kind="frames",
        rows=rows,
        make_arrays=frames,
        progress=progress,
        units=lambda row: 1,
        made_with=f"ffmpeg {ffmpeg_version}",
        facts={"ffmpeg": ffmpeg_version},
        codec=Codec.from_settings(settings, "frames"),
    )


if __name__ == "__main__":
    program.run_job(main, build_parser(), inputs=("clips",), outputs=("out", "record"))
