"""How many cores the job of flow takes around the solver of a GPU, whatever the GPU.

    python benchmarks/flow_job.py ../shared/data

DATA holds ucf101_6class/. A pretend GPU, which takes no time, answers with the flow of genuine
pairs; all else is the job as it is: clips are decoded, their flow is compressed and written by
several processes. Processor time for each pair is what counts, by the difference of two jobs, one
with four times the clips of the other, so that what a job takes to start is told apart; for both
levels of lz4. Prints a table and writes benchmarks/results/flow_job.json.
"""

import argparse
import resource
import tempfile
import time
from collections.abc import Callable
from functools import partial
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
from report import write

from pipeline import files
from pipeline.compute import machine
from pipeline.datasets import fields, shard
from pipeline.flow import service, tvl1
from pipeline.jobs.progress import Progress
from pipeline.storage.codecs import Codec
from pipeline.video.decode import decode

# Pairs of a clip whose flow the pretend GPU answers with.
PAIRS = 5
# Clips of the two jobs: of each class as many.
SHORT, LONG = 1, 4
RATES = (500, 1000, 1500)
SETTINGS = {
    "flow": {"bound": 20.0, "backend": "cuda"},
    "store": {"flow": "lz4"},
    "decode": {"short_side": 256},
    "accept_damaged": [],
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    clips = sorted((options.data / "ucf101_6class" / "videos").glob("*/*_c01.avi"))
    by_class = {name: [c for c in clips if c.parent.name == name] for name in classes(clips)}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        np.save(folder / "codes.npy", flow_of_pairs([found[0] for found in by_class.values()]))
        found = {}
        for fast in (False, True):
            jobs = [
                measure(
                    [c for of in by_class.values() for c in of[:count]],
                    "cuda",
                    fast,
                    partial(serve, path=folder / "codes.npy"),
                )
                for count in (SHORT, LONG)
            ]
            found["level 4" if fast else "level 7"] = per_pair(*jobs)
    print(f"\n{'lz4':<8} {'ms/pair':>8} {'bytes':>7}   cores for " + " ".join(map(str, RATES)))
    for name, row in found.items():
        cores = " ".join(f"{number:.1f}" for number in row["cores"].values())
        print(f"{name:<8} {row['milliseconds']:>8.2f} {row['bytes']:>7.0f}   {cores} (pairs/s)")
    write("flow_job", {"affinity": machine.cores(), "pairs of a second": RATES, **found})


def classes(clips: list[Path]) -> list[str]:
    return sorted({clip.parent.name for clip in clips})


def flow_of_pairs(clips: list[Path]) -> np.ndarray:
    """The flow of some pairs of each clip, (n, 2, H, W) uint8, by the CPU."""
    found = []
    for clip in clips:
        frames = map(tvl1.grey, islice(decode(clip), PAIRS + 1))
        found += tvl1.codes(frames, bound=SETTINGS["flow"]["bound"], backend="cpu")
    return np.stack(found)


class PretendSolver:
    """A solver that takes no time: the flow of its pairs is that of `flow_of_pairs`."""

    batch = 256

    def __init__(self, path: Path, height: int, width: int):
        self.known = np.load(path)

    def pyramid(self, images: np.ndarray) -> list[np.ndarray]:
        return [images]

    def codes(self, first: list[np.ndarray], second: list[np.ndarray], bound: float) -> np.ndarray:
        return self.known[np.arange(len(first[0])) % len(self.known)]


def serve(pipes: list, settings: dict, path: Path) -> None:
    service.Server(pipes, partial(PretendSolver, path), settings["flow"]["bound"]).run()


def measure(
    clips: list[Path],
    backend: str,
    fast: bool = False,
    serve: Callable[..., None] | None = None,
) -> dict:
    """Write the flow of clips, on all cores; returns its pairs, bytes, seconds, and seconds of
    processors.

    `serve` is what answers in place of a GPU. A clip may come several times.
    """
    known = {}
    for clip in dict.fromkeys(clips):
        known[clip] = {
            "path": str(clip),
            "sha256": files.digest(clip),
            "frames": sum(1 for _ in decode(clip)),
        }
    rows = [{"clip": f"{number:04}/{clip.name}"} | known[clip] for number, clip in enumerate(clips)]
    pairs = sum(row["frames"] - 1 for row in rows)
    progress = Progress("flow", pairs, "pairs")
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "000.h5"
        begin, before = time.monotonic(), processor_seconds()
        shard.run_shard(
            argparse.Namespace(out=str(out), record=out.with_suffix(".json"), code="c0de"),
            SETTINGS,
            stage="flow",
            kind="flow",
            rows=rows,
            make_arrays=None,
            progress=progress,
            units=lambda row: row["frames"] - 1,
            made_with="a benchmark",
            codec=Codec("lz4", fast=fast),
            write_clips=partial(
                fields.write_clips,
                SETTINGS,
                backend,
                machine.cores(),
                progress.update,
                serve=serve,
            ),
        )
        return {
            "pairs": pairs,
            "bytes": out.stat().st_size,
            "wall": time.monotonic() - begin,
            "processors": processor_seconds() - before,
        }


def processor_seconds() -> float:
    """Seconds of processors that this process and those that it has waited for have taken."""
    usage = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(found.ru_utime + found.ru_stime for found in usage)


def per_pair(short: dict, long: dict) -> dict:
    """What a pair takes, and how many cores some rates take, from two jobs."""
    more = {key: long[key] - short[key] for key in long}
    seconds = more["processors"] / more["pairs"]
    return {
        "milliseconds": round(1000 * seconds, 3),
        "bytes": round(more["bytes"] / more["pairs"]),
        "start": round(short["processors"] - seconds * short["pairs"], 1),
        "cores": {rate: round(rate * seconds, 1) for rate in RATES},
        "jobs": [short, long],
    }


if __name__ == "__main__":
    main()
