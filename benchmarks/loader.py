"""The loader against what is used today, in the same run: a folder of JPEG files a clip, PIL or OpenCV, torchvision.

    taskset -c 0 python benchmarks/loader.py ../shared/data /tmp/clips

DATA holds ucf101_6class/; the clips' flow is kept in the second folder between runs. Both sides draw the same samples in the
same crops, in a DataLoader with as many workers. Files become normalised float32 batches, as torchvision's transforms do it.
Ours is measured twice: up to the batches that a GPU finishes (it resizes, mirrors, stacks, normalises), and finished on the
CPU down to float32. Rounds alternate; medians count. `--parts`: speed, memory. Writes benchmarks/results/loader.json and
loader_memory.json.
"""

import argparse
import os
import statistics
import tempfile
import threading
import time
from pathlib import Path

import cv2
import numpy as np
import torch
import yaml
from clips import genuine
from PIL import Image
from report import ROOT, write
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as F

from pipeline import inputs, loading, sampling, store
from pipeline.codings import Coding
from pipeline.datasets.clips import key_of
from pipeline.inputs import DIRECTIONS, Groups, PeriodDraws, Stream, StreamDraws, normalise

CPU, BATCH, RUNS, SAMPLES = torch.device("cpu"), 16, 5, 20_000
CONFIG = yaml.safe_load((ROOT / "config.yaml").read_text())
CROPS, STACK, PERIOD = CONFIG["crops"], CONFIG["stack"], CONFIG["period"]
KINDS = ("appearance", "motion", *DIRECTIONS)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("cache", type=Path, help="folder for the clips' flow")
    parser.add_argument("--parts", nargs="+", default=["speed", "memory"])
    parser.add_argument("--workers", nargs="+", type=int, default=[0], help="of the speed: with each number of workers")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    clips = genuine(options.data / "ucf101_6class" / "videos", options.cache)
    with tempfile.TemporaryDirectory() as folder:
        rows = lay_out(clips, Path(folder), "speed" in options.parts)
        del clips
        common = {"affinity": len(os.sched_getaffinity(0)), "batch": BATCH}
        if "speed" in options.parts:
            print(f"{'samples/s':22}{'workers':>8}{'for GPU':>9}{'on CPU':>9}{'PIL':>9}{'OpenCV':>9}{'GPU:PIL':>10}"
                  f"{':OpenCV':>8}{'CPU:PIL':>10}{':OpenCV':>8}{'apart':>11}")
            speed = [of_speed(kind, rows, Path(folder), workers) for workers in options.workers for kind in KINDS]
            write("loader", common | {"speed": speed})
        if "memory" in options.parts:
            write("loader_memory", common | {"memory": [of_memory(rows, Path(folder), workers) for workers in (0, 2)]})


def lay_out(clips: list, folder: Path, files: bool) -> list[dict]:
    """Both stores of the clips: ours by the default config, and with `files` theirs, JPEG of quality 95; their index."""
    rows = [{"clip": f"c/{name}", "path": name, "sha256": "0", "frames": len(frames), "label": 0, "shard": "000"}
            for name, frames, _ in clips]
    by_name = {name: {"frames": frames, "flow": fields} for name, frames, fields in clips}
    for kind in ("frames", "flow"):
        store.write_shard(folder / kind / "000.h5", kind, rows, lambda row, kind=kind: iter(by_name[row["path"]][kind]),
                          {"store": CONFIG["store"]}, "benchmark", "benchmark", coding=Coding.of(CONFIG, kind))
    with store.create(folder / "groups.h5", "groups", {}, "benchmark") as file:
        for row in rows:
            file[key_of(row["clip"])] = np.zeros((row["frames"], 5), np.uint16)
    for name, frames, fields in clips if files else ():
        (folder / name).mkdir()
        for t, frame in enumerate(frames, start=1):
            Image.fromarray(frame).save(folder / name / f"img_{t:05}.jpg", quality=95)
        for t, field in enumerate(fields, start=1):
            for axis, plane in zip("xy", field, strict=True):
                Image.fromarray(plane).save(folder / name / f"flow_{axis}_{t:05}.jpg", quality=95)
    return rows


def draws_of(kind: str, rows: list[dict], folder: Path) -> Dataset:
    streams = {name: Stream(name, folder / inputs.KINDS[name], CROPS, STACK, rows) for name in inputs.STREAMS}
    if kind in streams:
        return StreamDraws(rows, streams[kind], 1)
    one, many = (streams[name] for name in DIRECTIONS[kind])
    groups = [Groups(folder / "groups.h5", 1) for _ in range(2)]
    return PeriodDraws(rows, one, many, 1, PERIOD["delta"], PERIOD["instants"], *groups)


class Files(Dataset):
    """Today's practice: each frame and plane of a sample is a JPEG file, read, cropped, resized and turned one by one."""

    def __init__(self, draws: Dataset, folder: Path, reader: str):
        self.draws, self.folder, self.reader = draws, folder, reader
        self.normalise = {name: v2.Normalize(inputs.MEAN[name], inputs.STD[name]) for name in inputs.STREAMS}

    def __getitem__(self, draw: int) -> dict:
        """The draw's own clip, instants and crop: asked of it with a reader that reads files."""
        return self.draws.item(draw, self.read)

    def read(self, stream: Stream, row: dict, instants, crop: sampling.Crop) -> torch.Tensor:
        found = [self.frame(row, t, crop) if stream.name == "appearance" else self.stack(row, t, crop)
                 for t in np.atleast_1d(instants)]
        return torch.stack(found) if np.ndim(instants) else found[0]

    def frame(self, row: dict, instant: int, crop: sampling.Crop) -> torch.Tensor:
        pixels = self.image(self.folder / row["path"] / f"img_{instant + 1:05}.jpg", crop, colour=True)
        return self.normalise["appearance"](pixels)

    def stack(self, row: dict, instant: int, crop: sampling.Crop) -> torch.Tensor:
        planes = []
        for t in sampling.stack_fields(int(instant), STACK, row["frames"] - 1):
            for axis in "xy":
                plane = self.image(self.folder / row["path"] / f"flow_{axis}_{t + 1:05}.jpg", crop, colour=False)
                planes.append(1 - plane if crop.mirrored and axis == "x" else plane)
        return self.normalise["motion"](torch.cat(planes))

    def image(self, path: Path, crop: sampling.Crop, colour: bool) -> torch.Tensor:
        """(3 or 1, size, size) float32 in 0 .. 1."""
        if self.reader == "PIL":
            image = Image.open(path)
            rows, columns = crop.pixels(*image.size)
            image = F.resized_crop(image, rows.start, columns.start, rows.stop - rows.start, columns.stop - columns.start,
                                   [CROPS["size"]] * 2)
            return F.to_dtype(F.to_image(F.horizontal_flip(image) if crop.mirrored else image), torch.float32, scale=True)
        image = cv2.imread(str(path), cv2.IMREAD_COLOR_RGB if colour else cv2.IMREAD_GRAYSCALE)
        rows, columns = crop.pixels(image.shape[1], image.shape[0])
        image = cv2.resize(image[rows, columns], (CROPS["size"],) * 2, interpolation=cv2.INTER_LINEAR)
        image = image[:, ::-1].copy() if crop.mirrored else image
        return F.to_dtype(F.to_image(image), torch.float32, scale=True)


def of_speed(kind: str, rows: list[dict], folder: Path, workers: int) -> dict:
    """Samples a second of ours and of files, in turns."""
    draws = draws_of(kind, rows, folder)
    names = {"input": kind} if kind in inputs.STREAMS else dict(zip(("one", "many"), DIRECTIONS[kind], strict=True))
    plain = {reader: Files(draws, folder, reader) for reader in ("PIL", "OpenCV")}

    def for_a_gpu(numbers: range):
        """Up to what is copied there: the same DataLoader as of `loading.batches`, without the copy."""
        for _ in DataLoader(loading._Batches(draws.packed), sampler=parts(numbers), batch_size=None, num_workers=workers):
            pass

    def on_the_cpu(numbers: range):
        for batch in loading.batches(draws, numbers, BATCH, CPU, workers):
            for name, stream in names.items():
                normalise(batch[name], stream)

    def files(reader: str):
        def rounds(numbers: range):
            for _ in DataLoader(plain[reader], BATCH, sampler=numbers, num_workers=workers):
                pass
        return rounds

    alike = (normalise(torch.from_numpy(draws[3][name]), stream) - plain["OpenCV"][3][name]
             for name, stream in names.items())
    apart = max(float(difference.abs().mean()) for difference in alike)
    sides = {"gpu": for_a_gpu, "cpu": on_the_cpu, "PIL": files("PIL"), "OpenCV": files("OpenCV")}
    rates: dict[str, list[float]] = {name: [] for name in sides}
    for turn in range(RUNS):
        for name, side in sides.items():
            count = (4 if name in ("gpu", "cpu") else 1) * BATCH * max(workers, 1)
            begun = time.perf_counter()
            side(range(turn * count, (turn + 1) * count))
            rates[name].append(count / (time.perf_counter() - begun))
    row = {"kind": kind, "workers": workers, "mean_difference": apart,
           **{name: statistics.median(found) for name, found in rates.items()}}
    print(f"{kind:22}{workers:8}{row['gpu']:9.1f}{row['cpu']:9.1f}{row['PIL']:9.1f}{row['OpenCV']:9.1f}"
          f"{row['gpu'] / row['PIL']:10.1f}{row['gpu'] / row['OpenCV']:8.1f}{row['cpu'] / row['PIL']:10.1f}"
          f"{row['cpu'] / row['OpenCV']:8.1f}{apart:11.3f}", flush=True)
    return row


def parts(numbers: range) -> list[range]:
    return [numbers[start:start + BATCH] for start in range(0, len(numbers), BATCH)]


def resident() -> int:
    """Bytes resident of this process and its children."""
    own, total = os.getpid(), 0
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            number, parent = int(status.parent.name), int(status.read_text().rpartition(")")[2].split()[1])
            if own in (number, parent):
                total += int((status.parent / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        except (FileNotFoundError, ProcessLookupError):
            continue  # ended meanwhile
    return total


def of_memory(rows: list[dict], folder: Path, workers: int) -> dict:
    """Resident memory over an epoch: its highest in each tenth of SAMPLES, after a first tenth to warm up."""
    draws, peaks, ended = draws_of("appearance-to-motion", rows, folder), [0] * 11, threading.Event()
    place = 0

    def watch():
        while not ended.wait(0.05):
            peaks[place] = max(peaks[place], resident())

    watcher = threading.Thread(target=watch)
    watcher.start()
    for number, _ in enumerate(loading.batches(draws, range(SAMPLES * 11 // 10), BATCH, CPU, workers)):
        place = min(number * BATCH * 10 // SAMPLES, 10)
    ended.set()
    watcher.join()
    mib = [peak / 2**20 for peak in peaks]
    growth = mib[-1] / mib[1] - 1
    print(f"{workers} workers, {SAMPLES} samples: resident {mib[1]:.0f} MiB at first, {max(mib[1:]):.0f} at most, "
          f"{mib[-1]:.0f} at last: {growth:+.1%}", flush=True)
    return {"workers": workers, "samples": SAMPLES, "mib": mib, "growth": growth}


if __name__ == "__main__":
    main()
