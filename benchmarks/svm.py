"""What training SVMs on Fisher vectors takes, at once and in blocks: seconds, memory, accuracy.

    python benchmarks/svm.py --results results/jhmdb14/split1

Sets of drawn vectors grow; each solver works on them in a process of its own, on one core, with
the vectors in an HDF5 file. Of one block of vectors of full length, 109,056 values, each part of a
pass is timed, which says how long a pass over any number of clips takes. With `--results`, a split
whose trajectories are encoded, both solvers learn its training clips and score its test clips, in
blocks of a sixteenth of the clips. Prints tables and writes benchmarks/results/svm.json.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

# These must be set before numpy is imported.
os.environ |= {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}

import h5py
import numpy as np
from report import write

from pipeline.datasets import index
from pipeline.idt import block_svm, sizes, svm
from pipeline.storage import reader

PENALTY = 100
CLIPS = (1000, 2000, 4000)
LENGTH, CLASSES, TEST = 4096, 5, 1000
# Clips and classes to project to: UCF101's first split, and a set ten times as large.
PROJECTED = ((9_537, 101), (95_000, 400))
FULL = sizes.fisher_length(256)
SOLVERS = ("at once", "in blocks")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--results", type=Path, help="a split whose Fisher vectors are there")
    parser.add_argument("--clips", type=int, nargs="+", default=CLIPS, help="sizes of drawn sets")
    # How this program calls itself, for one measurement.
    parser.add_argument("--solve", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.solve:
        solver, path = options.solve
        print(json.dumps(solve(solver, Path(path))))
        return
    parts = time_parts()
    result = {"parts": parts, "projected": [project(parts, *size) for size in PROJECTED]}
    with tempfile.TemporaryDirectory() as folder:
        rows = [row for clips in options.clips for row in measure(clips, Path(folder))]
    result |= {"length": LENGTH, "classes": CLASSES, "grown": rows}
    if options.results:
        result["real"] = compare_real(options.results)
    write("svm", result)


def draw(path: Path, clips: int) -> None:
    """Write vectors like Fisher vectors, signed roots of norm sqrt(5), and test ones behind them.

    Classes are as near to each other as leaves some of the test clips wrong.
    """
    rng = np.random.default_rng(clips)
    centres = rng.normal(0, 1, (CLASSES, LENGTH))
    labels = rng.integers(0, CLASSES, clips + TEST)
    spread = np.linspace(2, 0.3, LENGTH)
    with h5py.File(path, "w") as file:
        file["labels"], file.attrs["clips"] = labels, clips
        for number, label in enumerate(labels):
            vector = rng.normal(0, 1, LENGTH) * spread + 0.04 * centres[label]
            vector = np.sign(vector) * np.sqrt(np.abs(vector))
            file[str(number)] = (np.sqrt(5) * vector / np.linalg.norm(vector)).astype(np.float32)


def measure(clips: int, folder: Path) -> list[dict]:
    """Train both solvers on a drawn set, each in a process; prints and returns a row for each."""
    path, rows = folder / f"{clips}.h5", []
    draw(path, clips)
    for solver in SOLVERS:
        command = [sys.executable, __file__, "--solve", solver, str(path)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        rows.append({"clips": clips, "solver": solver, **json.loads(done.stdout)})
        row = rows[-1]
        print(
            f"{clips:7,} clips {solver:10} {row['seconds']:8.1f} s, of a processor "
            f"{row['processor_seconds']:8.1f}, {row['passes']:3} passes, {row['peak_mb']:6,} MB "
            f"above {row['start_mb']} MB, {row['right']:.2%} right",
            flush=True,
        )
    path.unlink()
    return rows


def solve(solver: str, path: Path) -> dict:
    """Train one solver on a drawn set, in this process."""
    with h5py.File(path) as file:
        clips, labels = int(file.attrs["clips"]), file["labels"][...]
        vectors = [file[str(number)] for number in range(clips)]
        start, started, used = peak_mb(), time.perf_counter(), time.process_time()
        weights, biases, told = learn(solver, vectors, labels[:clips], CLASSES)
        seconds, used = time.perf_counter() - started, time.process_time() - used
        peak = peak_mb()
        test = np.stack([file[str(clips + number)][...] for number in range(TEST)])
    right = (test @ weights.T + biases).argmax(axis=1) == labels[clips:]
    return {
        "seconds": round(seconds, 1),
        "processor_seconds": round(used, 1),
        "start_mb": start,
        "peak_mb": peak - start,
        "passes": len(told),
        "right": float(right.mean()),
    }


def learn(solver: str, vectors, labels: np.ndarray, classes: int) -> tuple:
    """Train by one solver; returns weights, biases and what was told."""
    told: list[str] = []
    # The bound between the two solvers is set aside.
    solve_all = block_svm.learn if solver == "in blocks" else svm.learn
    return *solve_all(vectors, labels, classes, PENALTY, told.append), told


def time_parts() -> dict:
    """Seconds of a processor of each part of the work on a block of vectors of full length, and of
    one class's share of it.
    """
    rng = np.random.default_rng(0)
    classes = 20
    block = rng.normal(0, np.sqrt(5 / FULL), (sizes.BLOCK, FULL)).astype(np.float32)
    weights = rng.normal(0, 0.01, (classes, FULL))
    times = [time.process_time()]
    block_svm._multiply(block, block, np.arange(len(block)))
    times.append(time.process_time())
    block_svm._multiply(weights, block, np.arange(classes))
    times.append(time.process_time())
    changes = np.ones((classes, sizes.BLOCK), np.float32)
    for columns in block_svm._columns(FULL):
        weights[:, columns] += changes @ block[:, columns]
    times.append(time.process_time())
    products, margins, update = np.diff(times).tolist()
    parts = {
        "block": sizes.BLOCK,
        "length": FULL,
        "products": round(products, 2),
        "margins_of_a_class": round(margins / classes, 4),
        "update_of_a_class": round(update / classes, 4),
    }
    print(f"a block of {sizes.BLOCK} full vectors: {parts}")
    return parts


def project(parts: dict, clips: int, classes: int) -> dict:
    """Seconds of a processor that a pass over a set of full vectors takes, without reading; all
    classes count, though fewer are left in later passes.
    """
    each = parts["margins_of_a_class"] + parts["update_of_a_class"]
    seconds = clips / parts["block"] * (parts["products"] + classes * each)
    row = {
        "clips": clips,
        "classes": classes,
        "gb_on_disk": round(clips * FULL * 4 / 1e9, 1),
        "seconds_of_a_pass": round(seconds),
        "gb_in_blocks": round(block_bytes(clips, classes) / 1e9, 2),
        "gb_at_once": round(sizes.PRODUCT * clips**2 / 1e9, 1),
    }
    print(row)
    return row


def block_bytes(clips: int, classes: int) -> int:
    """What the solver in blocks takes, also where a set is small enough for the other one."""
    least = sizes.svm_bytes(sizes.MOST_AT_ONCE + 1, classes, FULL)
    return least + sizes.DOUBLE * classes * (clips - sizes.MOST_AT_ONCE - 1)


def compare_real(folder: Path) -> dict:
    """Train both solvers on the Fisher vectors of a split, and score its test clips by them."""
    shards = reader.Shards(folder / "idt" / "fisher", "fisher")
    vectors, labels = {}, {}
    for side in ("train", "test"):
        rows = index.read(folder / f"{side}.csv")
        vectors[side] = np.stack([shards.dataset(row)[...] for row in rows])
        labels[side] = np.array([row["label"] for row in rows])
    block_svm.BLOCK = max(len(vectors["train"]) // 16, 2)
    block_svm.NEIGHBOURS = max(block_svm.BLOCK // 16, 1)
    scores, passes = {}, 0
    for solver in SOLVERS:
        classes = int(labels["train"].max()) + 1
        weights, biases, told = learn(solver, vectors["train"], labels["train"], classes)
        scores[solver] = vectors["test"] @ weights.T + biases
        passes = max(passes, len(told))
    right = {
        name: float((values.argmax(axis=1) == labels["test"]).mean())
        for name, values in scores.items()
    }
    at_once, in_blocks = scores.values()
    row = {
        "clips": len(vectors["train"]),
        "test_clips": len(vectors["test"]),
        "block": block_svm.BLOCK,
        "passes": passes,
        "right": right,
        "most_apart": float(np.abs(at_once - in_blocks).max()),
        "same_answers": float((at_once.argmax(axis=1) == in_blocks.argmax(axis=1)).mean()),
    }
    print(row)
    return row


def peak_mb() -> int:
    """Return the most memory that this process has held so far, in MB.

    The kernel's count of the process before `exec`, which getrusage gives, may be of its parent.
    """
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return round(int(line.split()[1]) / 1000)
    raise RuntimeError("this system does not say how much memory a process has held")


if __name__ == "__main__":
    main()
