"""Compute the optical flow of one shard's clips and write it to HDF5.

A clip of n frames has n - 1 flow fields.
"""

import argparse
from functools import partial
from pathlib import Path

import cv2

from pipeline.datasets import fields, shard
from pipeline.flow import tvl1
from pipeline.jobs import program
from pipeline.jobs.progress import Progress
from pipeline.storage.layout import flow_of
from pipeline.video import ffmpeg


def build_parser() -> argparse.ArgumentParser:
    result = shard.parser(__doc__)
    result.add_argument(
        "--cores", type=int, default=1, help="cores on which clips are computed (default 1)"
    )
    return result


def backend(options: argparse.Namespace) -> str:
    """The backend of the solver on this machine."""
    return tvl1.resolve_backend(options.settings["flow"]["backend"])


def solver(options: argparse.Namespace) -> str:
    """The solver on this machine with its version."""
    return tvl1.solver_version(backend(options))


def flow(options: argparse.Namespace) -> str:
    """What flow this machine computes: solvers of the same flow give the same bits."""
    return flow_of(solver(options))


def main(options: argparse.Namespace) -> None:
    settings, chosen = options.settings, backend(options)
    rows = shard.read_rows(options)
    progress = Progress(
        f"flow {Path(options.out).stem}", sum(row["frames"] - 1 for row in rows), "pairs"
    )
    # A process is the work of one core; more cores compute more clips at a time.
    cv2.setNumThreads(1)
    solve = fields.solver(settings, chosen)
    by_processes = partial(fields.write_clips, settings, chosen, options.cores, progress.update)
    shard.run_shard(
        options,
        settings,
        stage="flow",
        kind="flow",
        rows=rows,
        make_arrays=lambda row: fields.codes(
            row, settings, solve, lambda count: progress.update(count, row["clip"])
        ),
        progress=progress,
        units=lambda row: row["frames"] - 1,
        made_with=f"{solver(options)}, ffmpeg {ffmpeg.version()}",
        codec=fields.codec(settings, chosen, options.cores),
        write_clips=by_processes if chosen == "cuda" or options.cores > 1 else None,
        solver=solver(options),
    )


if __name__ == "__main__":
    program.run_job(
        main, build_parser(), inputs=("clips",), outputs=("out", "record"), environment=flow
    )
