"""TV-L1: our solvers against OpenCV's, pair by pair in one run: speed, the same flow, the truth, the whole job.

    taskset -c 0 python benchmarks/flow.py ../shared/data

DATA holds ucf101_6class/ (clips) and middlebury_flow/ (pairs with ground truth). Prints tables and writes
benchmarks/results/flow.json. On a machine with an NVIDIA GPU it measures the cuda solver too (results/flow_<GPU>.json), and
there runs without Snakemake. `--parts` takes some of: clips, truth, processes, job, gpu.
"""

import argparse
import multiprocessing
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
from report import ROOT, write

from pipeline.datasets import index
from pipeline.flow import levels, tvl1

CLIPS, PAIRS = 12, 4  # two clips of each of six classes, pairs evenly over each
ENERGY_WEIGHT = 0.15  # lambda, the default


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
        help="of ours, whose median counts; OpenCV's solver runs once",
    )
    options = parser.parse_args()
    cv2.setNumThreads(1)
    pairs = genuine(options.data / "ucf101_6class" / "videos")
    tvl1.tvl1(*pairs[0][1:], backend="cpu")  # compiled before it is measured
    result: dict = {"affinity": len(os.sched_getaffinity(0))}
    gpu = "gpu" in options.parts and tvl1.gpu_count() > 0
    if "clips" in options.parts:
        result["clips"] = of_clips(pairs, options.repeats)
    if "truth" in options.parts:
        result["truth"] = of_truth(options.data / "middlebury_flow")
    if "processes" in options.parts:
        result["processes"] = of_processes(pairs)
    if "job" in options.parts:
        result["job"] = of_job(options.data / "ucf101_6class" / "videos")
    name = "flow"
    if gpu:
        name, result["gpu"] = of_gpu(pairs)
    write(name, result)


def grey_frames(path: Path) -> list[np.ndarray]:
    """All frames of a video, grey."""
    video, frames = cv2.VideoCapture(str(path)), []
    while (read := video.read())[0]:
        frames.append(cv2.cvtColor(read[1], cv2.COLOR_BGR2GRAY))
    return frames


def genuine(videos: Path) -> list[tuple[str, np.ndarray, np.ndarray]]:
    """(clip and instant, first, second) of CLIPS clips."""
    pairs = []
    for folder in sorted(videos.iterdir()):
        for path in sorted(folder.iterdir())[::17][: CLIPS // 6]:
            frames = grey_frames(path)
            pairs += [
                (f"{path.stem} {t}", frames[t], frames[t + 1])
                for t in np.linspace(0, len(frames) - 2, PAIRS).astype(int)
            ]
    return pairs


def seconds(function, *arguments, **settings) -> tuple[float, np.ndarray]:
    begun = time.perf_counter()
    result = function(*arguments, **settings)
    return time.perf_counter() - begun, result


def energy(first: np.ndarray, second: np.ndarray, field: np.ndarray) -> float:
    """The TV-L1 energy, float64: sum |grad u| + |grad v| + lambda |I1(x + u) - I0(x)| over places inside the image."""
    height, width = first.shape
    y, x = np.mgrid[:height, :width].astype(np.float32)
    x, y = x + field[..., 0], y + field[..., 1]
    data = np.abs(cv2.remap(second.astype(np.float32), x, y, cv2.INTER_CUBIC).astype(float) - first)
    inside = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
    c = field.astype(float)
    smooth = np.hypot(np.diff(c, axis=1, append=c[:, -1:]), np.diff(c, axis=0, append=c[-1:])).sum()
    return smooth + ENERGY_WEIGHT * data[inside].sum()


def of_clips(pairs: list, repeats: int) -> dict:
    """Speed and sameness, both solvers on each pair in turn."""
    print(
        f"{'clip and instant':32} {'opencv ms':>10} {'cpu ms':>8} {'ratio':>6} {'mean px':>8} {'p99 px':>7} {'equal':>7} "
        f"{'within 1':>8} {'energy':>7}"
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
            f"{name:32} {row['opencv_ms']:10.0f} {row['cpu_ms']:8.1f} {row['ratio']:6.1f} {row['mean_px']:8.5f} "
            f"{row['p99_px']:7.4f} {row['bytes_equal']:7.2%} {row['bytes_within_1']:8.3%} {row['energy_ratio']:7.4f}",
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
        f"{total['median_ratio']:6.1f} {total['mean_px']:8.5f} {total['p99_px']:7.4f} {total['bytes_equal']:7.2%} "
        f"{total['bytes_within_1']:8.3%} {total['energy_ratio']:7.4f}"
    )
    print(
        f"time of all pairs: {total['time_ratio']:.1f} times as fast; energy over 1 % higher on "
        f"{total['pairs_over_1_percent_energy']} pairs, over 1 % lower on {total['pairs_under_1_percent_energy']}\n"
    )
    return {"pairs": rows, "total": total}


def of_truth(folder: Path) -> list[dict]:
    """Mean endpoint error on Middlebury's pairs with ground truth."""
    print(f"{'Middlebury':14} {'opencv px':>10} {'cpu px':>8} {'ratio':>7}   mean endpoint error")
    rows = []
    for scene in sorted(path.name for path in (folder / "other-gt-flow").iterdir()):
        first, second = (
            cv2.imread(str(folder / "other-data" / scene / f"frame{n}.png"), cv2.IMREAD_GRAYSCALE)
            for n in (10, 11)
        )
        content = (
            folder / "other-gt-flow" / scene / "flow10.flo"
        ).read_bytes()  # 'PIEH', width, height, then u, v
        truth = np.frombuffer(content[12:], np.float32).reshape(*first.shape, 2)
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
    os.sched_setaffinity(0, {core})
    tvl1.tvl1(*pairs[0][1:], backend="cpu")
    begin.wait()
    for _, first, second in pairs:
        tvl1.tvl1(first, second, backend="cpu")
    done.wait()


def of_processes(pairs: list) -> dict:
    """Pairs a second of one process, and of two on two cores."""
    rates, context = {}, multiprocessing.get_context("spawn")
    everything = os.sched_getaffinity(0)
    os.sched_setaffinity(
        0, range(os.cpu_count())
    )  # what `taskset` gave is for the parts of one core
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
            begun = time.perf_counter()
            done.wait()
            taken.append(time.perf_counter() - begun)
            for worker in workers:
                worker.join()
        rates[count] = count * len(pairs) / statistics.median(taken)
        print(f"{count} process(es): {rates[count]:6.2f} pairs/s")
    os.sched_setaffinity(0, everything)
    if len(rates) < 2:
        return {}
    print(f"two are {rates[2] / rates[1]:.2f} times one\n")
    return {"pairs_per_s": rates, "ratio": rates[2] / rates[1]}


def of_job(videos: Path) -> dict:
    """The program of a shard, decode to HDF5, against the solver alone on the same frames; one core for both.

    The program's time is its processor time and its decoder's, but for what the start of Python takes.
    """
    clips = [sorted(folder.iterdir())[0] for folder in sorted(videos.iterdir())][:3]
    settings = '{"accept_damaged": [], "decode": {"short_side": 256}, "flow": {"backend": "cpu", "bound": 20.0}}'
    with tempfile.TemporaryDirectory() as folder:
        frames = [grey_frames(path) for path in clips]
        index.write(
            Path(folder) / "clips.csv",
            [
                {
                    "clip": f"c/{path.stem}",
                    "path": str(path),
                    "sha256": "0" * 16,
                    "frames": len(clip),
                    "width": 320,
                    "height": 240,
                    "problem": "",
                }
                for path, clip in zip(clips, frames, strict=True)
            ],
            index.EXAMINED,
        )
        index.write(Path(folder) / "none.csv", [], index.EXAMINED)
        pairs = sum(len(clip) - 1 for clip in frames)
        runs = []
        for repeat in range(3):
            begun = time.process_time()
            for clip in frames:
                for _ in tvl1.fields(clip, backend="cpu"):
                    pass
            alone = time.process_time() - begun
            taken = {}
            for name in ("clips", "none"):
                before = os.times()
                command = [
                    sys.executable,
                    str(ROOT / "workflow/scripts/flow.py"),
                    "--clips",
                    f"{folder}/{name}.csv",
                    "--settings",
                    settings,
                    "--code",
                    "benchmark",
                    "--out",
                    f"{folder}/{name}{repeat}.h5",
                    "--record",
                    f"{folder}/{name}{repeat}.json",
                ]
                subprocess.run(command, check=True, capture_output=True)
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
        f"one shard, {len(clips)} clips, {pairs} pairs: solver alone {solver:.2f} pairs/s, decode + flow + write "
        f"{job:.2f} pairs/s a core: {job / solver:.1%} (Python's start, once a shard, {start:.1f} s)\n"
    )
    return {
        "pairs": pairs,
        "solver_pairs_per_s": solver,
        "job_pairs_per_s": job,
        "share": job / solver,
        "start_s": start,
    }


def of_gpu(pairs: list) -> tuple[str, dict]:
    """The cuda solver: the bits of the cpu solver first, then pairs a second by batch."""
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
        f"{device}: {'the same bits as' if same else 'NOT the bits of'} the cpu solver; a pair "
        f"{'does not depend' if alone else 'DEPENDS'} on its batch"
    )
    rates = {}
    for batch in (1, 16, 64, 132, 264, 528):
        solve = tvl1.solver("cuda", *firsts.shape[1:])
        solve.batch = batch
        first, second = (
            solve.pyramid(np.resize(images, (batch, *firsts.shape[1:])))
            for images in (firsts, seconds_)
        )
        solve(first, second)
        taken = []
        for _ in range(3):
            torch.cuda.synchronize()
            taken.append(seconds(solve, first, second)[0])
        rates[batch] = batch / statistics.median(taken)
        print(
            f"batch {batch:4}: {rates[batch]:8.1f} pairs/s, peak {torch.cuda.max_memory_allocated() / 2**20:.0f} MiB"
        )
    return f"flow_{device.replace(' ', '_')}", {
        "device": device,
        "same_bits": same,
        "alone": alone,
        "pairs_per_s": rates,
    }


if __name__ == "__main__":
    main()
