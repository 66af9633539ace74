"""The parts of first_gpu.py that compute flow: bits against the CPU, the solver, the whole job."""

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
from first_gpu_plan import Plan
from report import machine

from pipeline.flow import tvl1

# What the job of flow takes beside the solver.
OF_JOB = ("imagecodecs", "tqdm", "ffmpeg")
# Clips of the shorter of two jobs of flow.
JOB_CLIPS = 32
VIDEOS = (".avi", ".mp4", ".mkv")


def pictures(count: int, height: int, width: int) -> np.ndarray:
    """Return frames (count, H, W) uint8 of texture that moves, another way in each quarter."""
    rng = np.random.default_rng(0)
    texture = cv2.GaussianBlur(rng.uniform(0, 255, (2 * height, 2 * width)), (0, 0), 2)
    texture = cv2.normalize(texture, None, 0, 255, cv2.NORM_MINMAX)
    frames = np.empty((count, height, width), np.uint8)
    for number in range(count):
        for part, (dx, dy) in enumerate(((1.3, 0.4), (-0.7, 1.1), (2.6, -1.9), (0.0, 0.0))):
            move = np.float32([[1, 0, -number % 9 * dx], [0, 1, -number % 9 * dy]])
            moved = cv2.warpAffine(texture, move, (width, height), borderMode=cv2.BORDER_REFLECT)
            rows = slice(part // 2 * height // 2, (part // 2 + 1) * height // 2)
            columns = slice(part % 2 * width // 2, (part % 2 + 1) * width // 2)
            frames[number, rows, columns] = moved[rows, columns].astype(np.uint8)
    return frames


def video_paths(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.suffix in VIDEOS)


def videos(folder: Path, count: int) -> Iterator[tuple[str, np.ndarray]]:
    """Yield the name and the first frames (n, H, W) of some videos of a folder, by OpenCV."""
    paths = video_paths(folder)
    for path in paths[:: max(1, len(paths) // count)][:count]:
        capture, frames = cv2.VideoCapture(str(path)), []
        while len(frames) < 9 and (read := capture.read())[0]:
            frames.append(cv2.cvtColor(read[1], cv2.COLOR_BGR2GRAY))
        if len(frames) > 1:
            yield path.name, np.stack(frames)


def flow_bits(plan: Plan) -> dict:
    """Flow of the GPU and of the CPU, byte by byte."""
    cases = [("synthetic", pictures(3 if plan.dry else 9, *plan.frame))]
    if plan.clips:
        cases += videos(plan.clips, 2 if plan.dry else 8)
    pairs, differ = 0, []
    for name, frames in cases:
        found = [
            tvl1.tvl1(frames[:-1], frames[1:], backend=backend) for backend in (plan.backend, "cpu")
        ]
        pairs += len(frames) - 1
        if not np.array_equal(*found):
            differ.append(f"{name}: {np.abs(found[0] - found[1]).max():.3g} px")
    return {"clips": len(cases), "pairs": pairs, "differ": differ, "ok": not differ}


def flow_rate(plan: Plan) -> dict:
    """Pairs a second of the solver, by batch: kernels, and copies to and from the GPU."""
    solve = tvl1.solver(plan.backend, *plan.frame)
    rates = {}
    for batch in sorted({min(batch, solve.batch) for batch in (*plan.batches, solve.batch)}):
        if plan.dry and batch > max(plan.batches):
            continue
        frames = pictures(16, *plan.frame)
        first = np.resize(frames[:-1], (batch, *plan.frame))
        second = np.resize(frames[1:], (batch, *plan.frame))
        pair = solve.pyramid(first), solve.pyramid(second)
        rates[batch] = round(plan.rate(lambda pair=pair: solve(*pair), batch), 1)
    return {"pairs_a_second_by_batch": rates, "best": max(rates.values()), "aim": 1500}


def whole_job(plan: Plan) -> dict:
    """Pairs a second of the whole job of flow: clips are decoded, solved, compressed and written.

    By the difference of two jobs, one with four times the clips of the other, without their start.
    """
    if lacking := [name for name in OF_JOB if find_spec(name) is None]:
        return {"not measured": f"{', '.join(lacking)}: not installed here"}
    if not plan.clips:
        return {"not measured": "it takes videos; name their folder by --clips"}
    import flow_job

    paths = video_paths(plan.clips)
    if plan.dry:
        paths = [min(paths, key=lambda path: path.stat().st_size)]
    count = 1 if plan.dry else JOB_CLIPS
    jobs = [
        flow_job.measure([paths[n % len(paths)] for n in range(number)], plan.backend)
        for number in (count, 4 * count)
    ]
    short, long = jobs
    rate = (long["pairs"] - short["pairs"]) / (long["wall"] - short["wall"])
    found = flow_job.per_pair(*jobs)
    return {"pairs_a_second": rate, "processor_ms_a_pair": found["milliseconds"],
            "seconds_to_start": short["wall"] - short["pairs"] / rate, "cores": machine()["cores"],
            "aim": 1500, "least": 500}  # fmt: skip
