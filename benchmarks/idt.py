"""How fast improved dense trajectories are extracted and encoded on one core, and in how much memory.

    python benchmarks/idt.py ../shared/data

Five clips of UCF101 (320 x 240) and one of KTH (160 x 120), decoding included. The original C++ program gave 6.4, 6.2, 7.0,
7.6 and 4.8 frames/s on the former, 6.2 over all, and 37.5 on the latter, on a core of the kind of the first results.
Prints a table and writes benchmarks/results/idt.json.
"""

import argparse
import os
import resource
import time
from itertools import chain
from pathlib import Path

os.environ |= {
    name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
}  # before numpy loads

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
LENGTH = 1  # of a clip: it scales one column, no matter here
AGAIN = 5
ORIGINAL = [6.4, 6.2, 7.0, 7.6, 4.8, 37.5]  # frames/s


def codebooks(components: int = 256) -> dict[str, fisher.Codebook]:
    """Codebooks of the full size, of random numbers: encoding takes as long."""
    rng = np.random.default_rng(0)
    books = {}
    for part, length in fisher.LENGTHS.items():
        axes = np.linalg.qr(rng.standard_normal((length, length // 2)))[0].T
        shape = components, length // 2
        books[part] = fisher.Codebook(
            *(
                array.astype(np.float32)
                for array in (
                    np.zeros(length),
                    axes,
                    np.full(components, 1 / components),
                    rng.normal(0, 0.1, shape),
                    np.full(shape, 0.01),
                )
            )
        )
    return books


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path, help="the folder of real test material")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    clips = [f"ucf101_6class/videos/{name.partition('_')[0]}/v_{name}.avi" for name in UCF101] + [
        KTH
    ]
    books, rows = codebooks(), []
    next(trajectories(decode(options.data / KTH), LENGTH))  # compile
    print(
        f"{'clip':28} {'frames':>6} {'trajectories':>12} {'frames/s':>9} {'original':>9} {'encoding':>9} {'peak MB':>8}"
    )
    for clip, original in zip(clips, ORIGINAL, strict=True):
        begun, frames, found = time.perf_counter(), 0, []
        for ended in trajectories(decode(options.data / clip), LENGTH):
            frames += 1
            found.append(ended)
        extracted = time.perf_counter()
        fisher.encode(found, books)
        encoded = time.perf_counter()
        frames += 1  # the first ends no trajectory
        rows.append(
            {
                "clip": Path(clip).stem,
                "frames": frames,
                "trajectories": sum(map(len, found)),
                "seconds": round(extracted - begun, 2),
                "original_frames_per_second": original,
                "encoding_seconds": round(encoded - extracted, 2),
                "peak_mb": peak(),
            }
        )
        show(rows[-1])
    total = {
        key: sum(row[key] for row in rows[:-1])
        for key in ("frames", "trajectories", "seconds", "encoding_seconds")
    }
    total |= {"clip": "the five of UCF101", "original_frames_per_second": 6.2, "peak_mb": peak()}
    show(total)
    del found
    again = chain.from_iterable(decode(options.data / clips[0]) for _ in range(AGAIN))
    fisher.encode(trajectories(again, LENGTH), books)
    print(
        f"the peak after the first clip {AGAIN} times over, extracted and encoded as one: {peak()} MB"
    )
    write("idt", {"clips": rows, "five": total, "times_over": AGAIN, "peak_mb_times_over": peak()})


def peak() -> int:
    """The most memory that this process has held so far, in MB."""
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000)


def show(row: dict) -> None:
    print(
        f"{row['clip']:28} {row['frames']:6} {row['trajectories']:12} {row['frames'] / row['seconds']:9.1f} "
        f"{row['original_frames_per_second']:9.1f} {row['frames'] / row['encoding_seconds']:9.0f} {row['peak_mb']:8}"
    )


if __name__ == "__main__":
    main()
