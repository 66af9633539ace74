"""Compute the optical flow of one shard's clips and write it to HDF5.

A clip of n frames has n - 1 flow fields.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from pipeline.datasets import shard
from pipeline.errors import PipelineError
from pipeline.flow import levels, tvl1
from pipeline.jobs import program
from pipeline.jobs.progress import Progress
from pipeline.storage.codecs import Codec
from pipeline.video import ffmpeg
from pipeline.video.decode import decode


def build_parser() -> argparse.ArgumentParser:
    return shard.parser(__doc__)


def backend(options: argparse.Namespace) -> str:
    """The backend of the solver on this machine."""
    return tvl1.resolve_backend(options.settings["flow"]["backend"])


def solver(options: argparse.Namespace) -> str:
    """The solver on this machine with its version."""
    return tvl1.solver_version(backend(options))


def main(options: argparse.Namespace) -> None:
    settings = options.settings
    parameters = {key: value for key, value in settings["flow"].items() if key != "bound"}
    parameters["backend"] = backend(options)
    rows = shard.read_rows(options)
    progress = Progress(
        f"flow {Path(options.out).stem}", sum(row["frames"] - 1 for row in rows), "pairs"
    )
    # A shard is the work of one core; more cores compute more shards at a time.
    cv2.setNumThreads(1)

    def fields(row: dict) -> Iterator[np.ndarray]:
        """Yield the quantised fields of a clip, (2, H, W) uint8."""
        accept = row["clip"] in settings["accept_damaged"]
        frames = map(tvl1.grey, decode(row["path"], settings["decode"]["short_side"], accept))
        try:
            for field in tvl1.fields(frames, **parameters):
                codes = levels.quantise(field, settings["flow"]["bound"])
                # (H, W, 2) to (2, H, W).
                yield codes.transpose(2, 0, 1)
                progress.update(1, row["clip"])
        except ValueError as error:
            raise PipelineError(f"{row['path']}: {error}") from error

    shard.run_shard(
        options,
        settings,
        stage="flow",
        kind="flow",
        rows=rows,
        make_arrays=fields,
        progress=progress,
        units=lambda row: row["frames"] - 1,
        made_with=f"{solver(options)}, ffmpeg {ffmpeg.version()}",
        codec=Codec.from_settings(settings, "flow"),
        solver=solver(options),
    )


if __name__ == "__main__":
    program.run_job(
        main, build_parser(), inputs=("clips",), outputs=("out", "record"), environment=solver
    )
