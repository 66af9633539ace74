"""How fast improved dense trajectories are extracted and encoded on one core, and in what memory.

    python benchmarks/idt.py ../shared/data

Five clips of UCF101 (320 x 240) and one of KTH (160 x 120), decoding included. The original C++
program reached 6.4, 6.2, 7.0, 7.6 and 4.8 frames/s on the five, 6.2 over all, and 37.5 on the last,
on a core of the kind of the first results. Prints a table and writes benchmarks/results/idt.json.
"""

import argparse
import os
import resource
import time
from itertools import chain
from pathlib import Path

# These must be set before numpy is imported.
os.environ |= {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}

import cv2
import numpy as np
from report import write

from pipeline.idt import fisher
from pipeline.idt.extract import trajectories
from pipeline.video.decode import decode

UCF101 = [
    "Archery_g01_c01",
    "HorseRace_g01_c01",
    "PlayingPiano_g01_c01",
    "PlayingViolin_g01_c02",
    "Surfing_g01_c02",
]
KTH = "idt_reference/person01_boxing_d1_uncomp.avi"
# Frames/s of the original program, per clip and over the five of UCF101.
ORIGINAL = [6.4, 6.2, 7.0, 7.6, 4.8, 37.5]
ORIGINAL_OF_UCF101 = 6.2
# The number of frames that `trajectories` is told. It scales one column and costs no time.
LENGTH = 1
# How often the first clip is repeated to see whether memory grows with the length of a clip.
REPEATS = 5


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path, help="the folder of real test material")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    clips = [f"ucf101_6class/videos/{name.partition('_')[0]}/v_{name}.avi" for name in UCF101]
    clips.append(KTH)
    codebooks = random_codebooks()
    # The first call compiles.
    next(trajectories(decode(options.data / KTH), LENGTH))

    print(
        f"{'clip':28} {'frames':>6} {'trajectories':>12} {'frames/s':>9} {'original':>9} "
        f"{'encoding':>9} {'peak MB':>8}"
    )
    rows = []
    for clip, original in zip(clips, ORIGINAL, strict=True):
        rows.append(measure(options.data / clip, original, codebooks))
        print_row(rows[-1])
    total = {
        key: sum(row[key] for row in rows[:-1])
        for key in ("frames", "trajectories", "seconds", "encoding_seconds")
    }
    total |= {
        "clip": "the five of UCF101",
        "original_frames_per_second": ORIGINAL_OF_UCF101,
        "peak_mb": peak_mb(),
    }
    print_row(total)

    repeated = chain.from_iterable(decode(options.data / clips[0]) for _ in range(REPEATS))
    fisher.encode(trajectories(repeated, LENGTH), codebooks)
    repeated_peak = peak_mb()
    print(
        f"the peak after the first clip, repeated {REPEATS} times, was extracted and encoded as "
        f"one clip: {repeated_peak} MB"
    )
    write(
        "idt",
        {
            "clips": rows,
            "five": total,
            "times_over": REPEATS,
            "peak_mb_times_over": repeated_peak,
        },
    )


def random_codebooks(components: int = 256) -> dict[str, fisher.Codebook]:
    """Return codebooks of the full size, of random numbers: encoding takes as long with them."""
    rng = np.random.default_rng(0)
    codebooks = {}
    for name, length in fisher.LENGTHS.items():
        axes = np.linalg.qr(rng.standard_normal((length, length // 2)))[0].T
        shape = components, length // 2
        codebooks[name] = fisher.Codebook(
            mean=np.zeros(length, np.float32),
            axes=axes.astype(np.float32),
            weights=np.full(components, 1 / components, np.float32),
            means=rng.normal(0, 0.1, shape).astype(np.float32),
            variances=np.full(shape, 0.01, np.float32),
        )
    return codebooks


def measure(video: Path, original: float, codebooks: dict[str, fisher.Codebook]) -> dict:
    """Extract and encode one clip; returns its row of the table.

    `original`: frames/s of the original program.
    """
    start = time.perf_counter()
    batches = list(trajectories(decode(video), LENGTH))
    extracted = time.perf_counter()
    fisher.encode(batches, codebooks)
    encoded = time.perf_counter()
    return {
        "clip": video.stem,
        # There is a batch for each frame but the first.
        "frames": len(batches) + 1,
        "trajectories": sum(map(len, batches)),
        "seconds": round(extracted - start, 2),
        "original_frames_per_second": original,
        "encoding_seconds": round(encoded - extracted, 2),
        "peak_mb": peak_mb(),
    }


def peak_mb() -> int:
    """Return the most memory that this process has held so far, in MB."""
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000)


def print_row(row: dict) -> None:
    """Print a row of the table."""
    print(
        f"{row['clip']:28} {row['frames']:6} {row['trajectories']:12} "
        f"{row['frames'] / row['seconds']:9.1f} {row['original_frames_per_second']:9.1f} "
        f"{row['frames'] / row['encoding_seconds']:9.0f} {row['peak_mb']:8}"
    )


if __name__ == "__main__":
    main()
