"""Decode the clips of one shard into HDF5, every frame once."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from pipeline import program, record, store, video
from pipeline.codings import Coding
from pipeline.datasets import index
from pipeline.progress import Progress


def main() -> None:
    options = program.parser(__doc__, "clips", "out").parse_args()
    settings = options.settings
    rows = index.read(options.clips, index.EXAMINED)
    progress = Progress(f"frames {Path(options.out).stem}", len(rows), "clips")

    def frames(row: dict) -> Iterator[np.ndarray]:
        accept = row["clip"] in settings["accept_damaged"]
        yield from video.decode(row["path"], settings["decode"]["short_side"], accept)
        progress.update(1, row["clip"])

    digest = store.write_shard(options.out, "frames", rows, frames, settings, options.code,
                               f"ffmpeg {video.version()}", kept=lambda row: progress.skip(1),
                               coding=Coding.of(settings, "frames"))
    progress.close()
    record.write(options.record, "frames", digest, settings, options.code, ffmpeg=video.version(), clips=len(rows))


if __name__ == "__main__":
    program.run(main)
