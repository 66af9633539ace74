"""Compare our TV-L1 solvers with OpenCV's, pair by pair in one run.

It measures speed, the difference of the flow, the error against ground truth, and a whole job.

    taskset -c 0 python benchmarks/flow.py ../shared/data

DATA holds ucf101_6class/ (clips) and middlebury_flow/ (pairs with ground truth). The benchmark
prints tables and writes benchmarks/results/flow.json. On a machine with an NVIDIA GPU it measures
the cuda solver too and writes results/flow_<GPU>.json; there it runs without Snakemake. `--parts`
selects some of: clips, truth, processes, job, gpu.
"""

import argparse
import json
import multiprocessing
import os
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import yaml
from report import ROOT, write

from pipeline import files
from pipeline.datasets import index
from pipeline.flow import levels, tvl1

# Two clips of each of six classes, and four pairs at even distances in each clip.
CLIPS, PAIRS = 12, 4
# The default of lambda, the weight of the data term.
ENERGY_WEIGHT = 0.15


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--parts", nargs="+", default=["clips", "truth", "processes", "job", "gpu"])
    parser.add_argument(
        "--repeats",
        type=int,
        default=3,
        help="runs of our solver per pair, of which the median counts; OpenCV's solver runs once",
    )
    options = parser.parse_args()
    cv2.setNumThreads(1)
    pairs = read_pairs(options.data / "ucf101_6class" / "videos")
    # Compile our solver before it is measured.
    tvl1.tvl1(*pairs[0][1:], backend="cpu")
    result: dict = {"affinity": len(os.sched_getaffinity(0))}
    gpu = "gpu" in options.parts and tvl1.resolve_backend("auto") == "cuda"
    if "clips" in options.parts:
        result["clips"] = compare_on_clips(pairs, options.repeats)
    if "truth" in options.parts:
        result["truth"] = compare_with_truth(options.data / "middlebury_flow")
    if "processes" in options.parts:
        result["processes"] = measure_processes(pairs)
    if "job" in options.parts:
        result["job"] = measure_job(options.data / "ucf101_6class" / "videos")
    name = "flow"
    if gpu:
        name, result["gpu"] = measure_gpu(pairs)
    write(name, result)


def read_grey_frames(path: Path) -> list[np.ndarray]:
    """Return all frames of a video, grey, (H, W) uint8."""
    video, frames = cv2.VideoCapture(str(path)), []
    while (read := video.read())[0]:
        frames.append(cv2.cvtColor(read[1], cv2.COLOR_BGR2GRAY))
    return frames


def read_pairs(videos: Path) -> list[tuple[str, np.ndarray, np.ndarray]]:
    """Return (clip and instant, first frame, second frame) of pairs from CLIPS clips."""
    pairs = []
    for folder in sorted(videos.iterdir()):
        for path in sorted(folder.iterdir())[::17][: CLIPS // 6]:
            frames = read_grey_frames(path)
            pairs += [
                (f"{path.stem} {t}", frames[t], frames[t + 1])
                for t in np.linspace(0, len(frames) - 2, PAIRS).astype(int)
            ]
    return pairs


def seconds(function, *arguments, **settings) -> tuple[float, np.ndarray]:
    """Call a function; return how many seconds it took, and its result."""
    start_time = time.perf_counter()
    result = function(*arguments, **settings)
    return time.perf_counter() - start_time, result


def energy(first: np.ndarray, second: np.ndarray, field: np.ndarray) -> float:
    """Return the TV-L1 energy in float64: sum |grad u| + |grad v| + lambda |I1(x + u) - I0(x)|.

    The second term is summed over the pixels whose x + u lies inside the image.
    """
    height, width = first.shape
    y, x = np.mgrid[:height, :width].astype(np.float32)
    x, y = x + field[..., 0], y + field[..., 1]
    data = np.abs(cv2.remap(second.astype(np.float32), x, y, cv2.INTER_CUBIC).astype(float) - first)
    inside = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
    c = field.astype(float)
    smooth = np.hypot(np.diff(c, axis=1, append=c[:, -1:]), np.diff(c, axis=0, append=c[-1:])).sum()
    return smooth + ENERGY_WEIGHT * data[inside].sum()


def compare_on_clips(pairs: list, repeats: int) -> dict:
    """Compare speed and flow; both solvers run on each pair in turn."""
    print(
        f"{'clip and instant':32} {'opencv ms':>10} {'cpu ms':>8} {'ratio':>6} {'mean px':>8} "
        f"{'p99 px':>7} {'equal':>7} {'within 1':>8} {'energy':>7}"
    )
    rows, apart, steps = [], [], []
    for name, first, second in pairs:
        theirs_s, theirs = seconds(tvl1.tvl1, first, second, backend="opencv")
        runs = [seconds(tvl1.tvl1, first, second, backend="cpu") for _ in range(repeats)]
        ours_s, ours = statistics.median(run[0] for run in runs), runs[0][1]
        distance = np.hypot(*np.moveaxis(theirs - ours, -1, 0))
        step = np.abs(levels.quantise(theirs).astype(int) - levels.quantise(ours))
        energies = [energy(first, second, field) for field in (theirs, ours)]
        rows.append(
            {
                "pair": name,
                "opencv_ms": theirs_s * 1e3,
                "cpu_ms": ours_s * 1e3,
                "ratio": theirs_s / ours_s,
                "mean_px": float(distance.mean()),
                "p99_px": float(np.percentile(distance, 99)),
                "bytes_equal": float((step == 0).mean()),
                "bytes_within_1": float((step <= 1).mean()),
                "energy_opencv": energies[0],
                "energy_ratio": energies[1] / energies[0],
            }
        )
        row = rows[-1]
        print(
            f"{name:32} {row['opencv_ms']:10.0f} {row['cpu_ms']:8.1f} {row['ratio']:6.1f} "
            f"{row['mean_px']:8.5f} {row['p99_px']:7.4f} {row['bytes_equal']:7.2%} "
            f"{row['bytes_within_1']:8.3%} {row['energy_ratio']:7.4f}",
            flush=True,
        )
        apart.append(distance)
        steps.append(step)
    energies = np.array(
        [[row["energy_opencv"], row["energy_opencv"] * row["energy_ratio"]] for row in rows]
    )
    total = {
        "pairs": len(rows),
        "median_ratio": statistics.median(row["ratio"] for row in rows),
        "lowest_ratio": min(row["ratio"] for row in rows),
        "time_ratio": sum(row["opencv_ms"] for row in rows) / sum(row["cpu_ms"] for row in rows),
        "opencv_ms": statistics.median(row["opencv_ms"] for row in rows),
        "cpu_ms": statistics.median(row["cpu_ms"] for row in rows),
        "mean_px": float(np.mean(apart)),
        "p99_px": float(np.percentile(apart, 99)),
        "bytes_equal": float(np.mean(np.array(steps) == 0)),
        "bytes_within_1": float(np.mean(np.array(steps) <= 1)),
        "energy_ratio": float(energies[:, 1].sum() / energies[:, 0].sum()),
        "pairs_over_1_percent_energy": int((energies[:, 1] > 1.01 * energies[:, 0]).sum()),
        "pairs_under_1_percent_energy": int((energies[:, 0] > 1.01 * energies[:, 1]).sum()),
    }
    print(
        f"{'all pairs: medians; pooled':32} {total['opencv_ms']:10.0f} {total['cpu_ms']:8.1f} "
        f"{total['median_ratio']:6.1f} {total['mean_px']:8.5f} {total['p99_px']:7.4f} "
        f"{total['bytes_equal']:7.2%} {total['bytes_within_1']:8.3%} {total['energy_ratio']:7.4f}"
    )
    print(
        f"time of all pairs: {total['time_ratio']:.1f} times as fast; energy over 1 % higher on "
        f"{total['pairs_over_1_percent_energy']} pairs, over 1 % lower on "
        f"{total['pairs_under_1_percent_energy']}\n"
    )
    return {"pairs": rows, "total": total}


def compare_with_truth(folder: Path) -> list[dict]:
    """Compare the mean endpoint error on Middlebury's pairs with ground truth."""
    print(f"{'Middlebury':14} {'opencv px':>10} {'cpu px':>8} {'ratio':>7}   mean endpoint error")
    rows = []
    for scene in sorted(path.name for path in (folder / "other-gt-flow").iterdir()):
        first, second = (
            cv2.imread(str(folder / "other-data" / scene / f"frame{n}.png"), cv2.IMREAD_GRAYSCALE)
            for n in (10, 11)
        )
        # A .flo file: 'PIEH', width, height, then u and v of each pixel by row.
        content = (folder / "other-gt-flow" / scene / "flow10.flo").read_bytes()
        truth = np.frombuffer(content[12:], np.float32).reshape(*first.shape, 2)
        # Pixels without ground truth have larger values.
        known = (np.abs(truth) < 1e9).all(axis=-1)
        errors = {
            backend: float(
                np.hypot(*np.moveaxis(tvl1.tvl1(first, second, backend=backend) - truth, -1, 0))[
                    known
                ].mean()
            )
            for backend in ("opencv", "cpu")
        }
        rows.append({"scene": scene, **errors, "ratio": errors["cpu"] / errors["opencv"]})
        print(
            f"{scene:14} {errors['opencv']:10.4f} {errors['cpu']:8.4f} {rows[-1]['ratio']:7.4f}",
            flush=True,
        )
    print()
    return rows


def _work(core: int, pairs: list, begin, done) -> None:
    """Compute the flow of all pairs on one core, between the barriers `begin` and `done`."""
    os.sched_setaffinity(0, {core})
    tvl1.tvl1(*pairs[0][1:], backend="cpu")
    begin.wait()
    for _, first, second in pairs:
        tvl1.tvl1(first, second, backend="cpu")
    done.wait()


def measure_processes(pairs: list) -> dict:
    """Measure the pairs per second of one process, and of two processes on two cores."""
    rates, context = {}, multiprocessing.get_context("spawn")
    affinity = os.sched_getaffinity(0)
    # The core that `taskset` chose is for the other parts, which use one core.
    os.sched_setaffinity(0, range(os.cpu_count()))
    for count in (1, 2) if os.cpu_count() > 1 else ():
        taken = []
        for _ in range(3):
            begin, done = context.Barrier(count + 1), context.Barrier(count + 1)
            workers = [
                context.Process(target=_work, args=(core, pairs, begin, done))
                for core in range(count)
            ]
            for worker in workers:
                worker.start()
            begin.wait()
            start_time = time.perf_counter()
            done.wait()
            taken.append(time.perf_counter() - start_time)
            for worker in workers:
                worker.join()
        rates[count] = count * len(pairs) / statistics.median(taken)
        print(f"{count} process(es): {rates[count]:6.2f} pairs/s")
    os.sched_setaffinity(0, affinity)
    if len(rates) < 2:
        return {}
    print(f"two are {rates[2] / rates[1]:.2f} times one\n")
    return {"pairs_per_s": rates, "ratio": rates[2] / rates[1]}


def measure_job(videos: Path, repeats: int = 3) -> dict:
    """Compare a shard's job, from decoding to HDF5, with the solver alone on the same frames.

    Both use one core. The time of the job is the processor time of the program and its decoder,
    less what the program takes for a shard without clips, which is the start of Python.
    """
    clips = [sorted(folder.iterdir())[0] for folder in sorted(videos.iterdir())][:3]
    config = yaml.safe_load((ROOT / "config.yaml").read_text())
    own = {key: config[key] for key in ("decode", "flow", "store")} | {"accept_damaged": []}
    settings = json.dumps(own | {"flow": own["flow"] | {"backend": "cpu"}})
    with tempfile.TemporaryDirectory() as folder:
        frames = [read_grey_frames(path) for path in clips]
        index.write(
            Path(folder) / "clips.csv",
            [
                {
                    "clip": f"c/{path.stem}",
                    "path": str(path.relative_to(videos)),
                    "sha256": files.digest(path),
                    "frames": len(clip),
                    "width": clip[0].shape[1],
                    "height": clip[0].shape[0],
                    "problem": "",
                }
                for path, clip in zip(clips, frames, strict=True)
            ],
            index.EXAMINED,
        )
        index.write(Path(folder) / "none.csv", [], index.EXAMINED)
        pairs = sum(len(clip) - 1 for clip in frames)
        runs = []
        for repeat in range(repeats):
            start_time = time.process_time()
            for clip in frames:
                for _ in tvl1.fields(clip, backend="cpu"):
                    pass
            alone = time.process_time() - start_time
            taken = {}
            for name in ("clips", "none"):
                before = os.times()
                command = [
                    sys.executable,
                    str(ROOT / "workflow/scripts/flow.py"),
                    "--clips",
                    f"{folder}/{name}.csv",
                    "--videos",
                    str(videos),
                    "--settings",
                    settings,
                    "--code",
                    "benchmark",
                    "--out",
                    f"{folder}/{name}{repeat}.h5",
                    "--record",
                    f"{folder}/{name}{repeat}.json",
                ]
                done = subprocess.run(command, capture_output=True, text=True)
                if done.returncode:
                    sys.exit(f"the job of flow has failed: {done.stdout}{done.stderr}")
                after = os.times()
                taken[name] = (
                    after.children_user
                    - before.children_user
                    + after.children_system
                    - before.children_system
                )
            runs.append((pairs / alone, pairs / (taken["clips"] - taken["none"]), taken["none"]))
    solver, job, start = (statistics.median(run[i] for run in runs) for i in range(3))
    print(
        f"one shard, {len(clips)} clips, {pairs} pairs: solver alone {solver:.2f} pairs/s, "
        f"decode + flow + write {job:.2f} pairs/s per core: {job / solver:.1%} "
        f"(Python's start, once per shard, {start:.1f} s)\n"
    )
    return {
        "pairs": pairs,
        "solver_pairs_per_s": solver,
        "job_pairs_per_s": job,
        "share": job / solver,
        "start_s": start,
    }


def _rate(images: tuple[np.ndarray, np.ndarray], batch: int, count: int) -> float:
    """Return the pairs per second of `count` threads that have batches made to bytes on a GPU."""
    size = images[0].shape[1:]
    batches = [[np.resize(each, (batch, *size))] for each in images]
    solvers = [tvl1.solver("cuda", *size) for _ in range(count)]

    def solve(solver) -> None:
        for _ in range(3):
            solver.codes(*batches, 20.0)

    with ThreadPoolExecutor(count) as pool:
        # The first run is the compiler's.
        taken = [seconds(lambda: list(pool.map(solve, solvers)))[0] for _ in range(4)][1:]
    return 3 * batch * count / statistics.median(taken)


def measure_gpu(pairs: list) -> tuple[str, dict]:
    """Check that the cuda solver is bit-identical to the cpu solver; measure it by batch size.

    Returned are the name of the result file and the result.
    """
    import torch

    device = torch.cuda.get_device_name()
    firsts, seconds_ = (np.stack([pair[i] for pair in pairs]) for i in (1, 2))
    same = np.array_equal(
        tvl1.tvl1(firsts, seconds_, backend="cuda"), tvl1.tvl1(firsts, seconds_, backend="cpu")
    )
    alone = np.array_equal(
        tvl1.tvl1(firsts[:1], seconds_[:1], backend="cuda"),
        tvl1.tvl1(firsts, seconds_, backend="cuda")[:1],
    )
    print(
        f"{device}: {'bit-identical' if same else 'NOT bit-identical'} to the cpu solver; a pair "
        f"{'does not depend' if alone else 'DEPENDS'} on its batch"
    )
    rates = {}
    for batch, count in ((1, 1), (64, 1), (264, 1), (1056, 1), (1056, 2), (1056, 4)):
        rate = rates[f"{batch} x {count}"] = _rate((firsts, seconds_), batch, count)
        print(
            f"batches of {batch:4} in {count} thread(s): {rate:8.1f} pairs/s, "
            f"peak {torch.cuda.max_memory_allocated() / 2**20:.0f} MiB"
        )
    return f"flow_{device.replace(' ', '_')}", {
        "device": device,
        "same_bits": same,
        "alone": alone,
        "pairs_per_s": rates,
    }


if __name__ == "__main__":
    main()
