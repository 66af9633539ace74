"""A pretend GPU, which takes its time for each pair, computes nothing, and notes what it was asked
for. And shards whose flow it makes, as the job of flow has them made on a GPU.
"""

import argparse
import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path

import numpy as np

from pipeline import files
from pipeline.datasets import fields, shard
from pipeline.flow import service
from pipeline.jobs.progress import Progress
from pipeline.video.decode import decode

BOUND = 20.0


class Solver:
    """A solver as `tvl1.solver` returns it: the 'flow' of a pair is its two frames.

    All threads share one device, which solves `rate` pairs per second; each batch is a line of the
    file `log`: seconds of its begin and end by the clock, and pairs.
    """

    batch = 64
    device = threading.Lock()

    def __init__(self, rate: float, log: Path, height: int, width: int):
        self.rate, self.log = rate, log

    def pyramid(self, images: np.ndarray) -> list[np.ndarray]:
        return [images]

    def codes(self, first: list[np.ndarray], second: list[np.ndarray], bound: float) -> np.ndarray:
        assert bound == BOUND and len(first[0]) <= self.batch
        with self.device:
            begin = time.monotonic()
            time.sleep(len(first[0]) / self.rate)
            with open(self.log, "a") as log:
                print(begin, time.monotonic(), len(first[0]), file=log)
        return np.stack([first[0], second[0]], axis=1)


def serve(pipes: list, settings: dict, rate: float, log: Path) -> None:
    service.Server(pipes, partial(Solver, rate, log), settings["flow"]["bound"]).run()


def pairs_of(frames: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """What the solver makes of a clip, one pair after the other."""
    before = None
    for frame in frames:
        if before is not None:
            yield np.stack([before, frame])
        before = frame


def batches(log: Path) -> np.ndarray:
    """The batches of a device: (n, 3), begin, end and pairs."""
    return np.loadtxt(log, ndmin=2)


def settings(codec: str = "lz4") -> dict:
    return {
        "flow": {"bound": BOUND, "backend": "cuda"},
        "store": {"flow": codec, "flow_quality": 90},
        "decode": {"short_side": None},
        "accept_damaged": [],
    }


def index_rows(paths: list[Path]) -> list[dict]:
    """Rows of the index of videos, of which the frames that decode are counted."""
    return [
        {
            "clip": f"{path.parent.name}/{path.name}",
            "path": str(path),
            "sha256": files.digest(path),
            "frames": sum(1 for _ in decode(path, accept_damage=True)),
        }
        for path in paths
    ]


def write(
    out: Path,
    rows: list[dict],
    serve: Callable[..., None] | None = None,
    cores: int = 2,
    codec: str = "lz4",
) -> Progress:
    """Write the shard `out` as the job of flow does: by processes where something serves them, or
    one clip after the other.
    """
    own = settings(codec)
    progress = Progress(out.stem, sum(row["frames"] - 1 for row in rows), "pairs")
    by_processes = partial(fields.write_clips, own, "cuda", cores, progress.update, serve=serve)
    shard.run_shard(
        argparse.Namespace(out=str(out), record=out.with_suffix(".json"), code="c0de"),
        own,
        stage="flow",
        kind="flow",
        rows=rows,
        make_arrays=lambda row: fields.codes(row, own, pairs_of, progress.update),
        progress=progress,
        units=lambda row: row["frames"] - 1,
        made_with="a pretend GPU",
        codec=fields.Codec.from_settings(own, "flow"),
        write_clips=by_processes if serve else None,
        solver="pretend 1",
    )
    return progress


def main() -> None:
    """Write a shard in a process of its own, for tests that kill it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path)
    parser.add_argument("--rows", type=json.loads)
    parser.add_argument("--rate", type=float)
    parser.add_argument("--log", type=Path)
    options = parser.parse_args()
    write(options.out, options.rows, partial(serve, rate=options.rate, log=options.log), cores=1)


if __name__ == "__main__":
    from pipeline.jobs import program

    program.run(main)
