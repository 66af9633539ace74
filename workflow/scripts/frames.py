"""Decode the clips of one shard into HDF5, every frame once."""

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from pipeline.datasets import index
from pipeline.jobs import program, record
from pipeline.jobs.progress import Progress
from pipeline.storage import writer
from pipeline.storage.codecs import Codec
from pipeline.video import ffmpeg
from pipeline.video.decode import decode


def build_parser() -> argparse.ArgumentParser:
    return program.parser(__doc__, "clips", "videos", "out")


def main(options: argparse.Namespace) -> None:
    settings = options.settings
    rows = index.read(options.clips, index.EXAMINED, options.videos)
    progress = Progress(f"frames {Path(options.out).stem}", len(rows), "clips")

    def frames(row: dict) -> Iterator[np.ndarray]:
        accept = row["clip"] in settings["accept_damaged"]
        yield from decode(row["path"], settings["decode"]["short_side"], accept)
        progress.update(1, row["clip"])

    digest = writer.write_shard(
        options.out,
        "frames",
        rows,
        frames,
        settings,
        options.code,
        f"ffmpeg {ffmpeg.version()}",
        on_reused=lambda row: progress.skip(1),
        codec=Codec.from_settings(settings, "frames"),
    )
    progress.close()
    record.write(
        options.record,
        "frames",
        digest,
        settings,
        options.code,
        ffmpeg=ffmpeg.version(),
        clips=len(rows),
    )


if __name__ == "__main__":
    program.run_job(main, build_parser(), inputs=("clips",), outputs=("out", "record"))
