"""Compare `pipeline flow` with OpenCV's TV-L1 on the same clips, in one run.

    python benchmarks/flow_command.py ../shared/data

DATA holds ucf101_6class/. Both decode the clips, compute their flow and write JPEG images, with one
process and with two; OpenCV does it as its own Python interface is used, a clip a process, one
thread each. The command is measured whole, with the start of Python. It prints fields per second,
on the clock and of processor time; only the latter means anything beside other work.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np
from report import machine

from pipeline.video import ffmpeg

PROGRAM = [sys.executable, "-c", "from pipeline.cli.app import app; app()", "flow"]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--clips", type=int, default=4)
    parser.add_argument("--frames", type=int, default=13, help="of each clip, from its beginning")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        clips = cut(options.data / "ucf101_6class" / "videos", Path(folder) / "clips", options)
        fields = options.clips * (options.frames - 1)
        print(f"{machine()['processor']}, {len(clips)} clips of 320 x 240, {fields} fields")
        print(f"{'':27} {'fields/s':>9} {'a processor second':>19}")
        rates = {}
        for processes in (1, 2):
            for name, run in (("OpenCV", run_opencv), ("pipeline flow", run_command)):
                seconds, used = measure(run, clips, Path(folder) / f"{name}{processes}", processes)
                rates[name, processes] = fields / used
                title = f"{name}, {processes} process{'es' if processes > 1 else ''}"
                print(f"{title:27} {fields / seconds:9.2f} {fields / used:19.2f}", flush=True)
        for processes in (1, 2):
            ratio = rates["pipeline flow", processes] / rates["OpenCV", processes]
            print(f"{processes}: {ratio:.1f} times the fields in the same processor time")


def cut(videos: Path, folder: Path, options: argparse.Namespace) -> list[Path]:
    """Copy the first frames of clips of several classes, as they are encoded."""
    folder.mkdir()
    found = [sorted(path.iterdir())[0] for path in sorted(videos.iterdir())][: options.clips]
    for path in found:
        command = [ffmpeg.executable(), "-v", "error", "-i", path, "-an", "-c", "copy"]
        command += ["-frames:v", options.frames, folder / path.name]
        subprocess.run(list(map(str, command)), check=True)
    return sorted(folder.iterdir())


def measure(run, clips: list[Path], out: Path, processes: int) -> tuple[float, float]:
    """Return the seconds that a run takes, on the clock and of its processes."""
    out.mkdir()
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    run(clips, out, processes)
    seconds, after = time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
    return seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def run_command(clips: list[Path], out: Path, processes: int) -> None:
    command = [*PROGRAM, *clips, "--out", out, "--workers", processes, "--backend", "cpu"]
    subprocess.run(list(map(str, command)), check=True, stdout=subprocess.DEVNULL)


def run_opencv(clips: list[Path], out: Path, processes: int) -> None:
    context = get_context("spawn")
    with context.Pool(processes) as pool:
        pool.starmap(opencv_clip, [(clip, out) for clip in clips], chunksize=1)
        pool.close()
        pool.join()


def opencv_clip(clip: Path, out: Path) -> None:
    """What is written where OpenCV's solver is used from Python."""
    cv2.setNumThreads(1)
    solver, video = cv2.optflow.DualTVL1OpticalFlow_create(), cv2.VideoCapture(str(clip))
    os.mkdir(out / clip.stem)
    before, number = None, 0
    while (read := video.read())[0]:
        frame = cv2.cvtColor(read[1], cv2.COLOR_BGR2GRAY)
        if before is not None:
            field = solver.calc(before, frame, None)
            codes = np.rint((field.clip(-20, 20) + 20) * (255 / 40)).astype(np.uint8)
            for axis, name in enumerate("xy"):
                path = out / clip.stem / f"flow_{name}_{number:05d}.jpg"
                cv2.imwrite(str(path), codes[..., axis])
            number += 1
        before = frame


if __name__ == "__main__":
    main()
