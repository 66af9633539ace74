"""The loader against what is used today, in the same run: a folder of JPEG files a clip, read and transformed one by one.

    python benchmarks/loader.py ../shared/data /tmp/clips

DATA holds ucf101_6class/; the clips' flow is kept in the second folder between runs. Both sides draw the same samples in the
same crops, in a DataLoader with as many workers, on as many cores. Files are read by PIL or by OpenCV and become normalised
float32 batches by torchvision's transforms; a third rival has OpenCV resize and mirror, too, which takes it less time.
Ours is measured twice: up to the batches that a GPU finishes (it resizes, mirrors, stacks and normalises), and finished on
the CPU down to float32. Rounds alternate; each begins with batches that do not count; medians count.

`--parts`: speed, memory, and training, a network's steps on batches of the loader beside its steps on batches that are on
the GPU already: at paper size on a GPU, of the demo's size without one. Writes benchmarks/results/loader.json,
loader_memory.json and loader_training.json, on a GPU loader_training_<GPU>.json.
"""

import argparse
import copy
import os
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import cycle, islice
from pathlib import Path

import cv2
import numpy as np
import torch
import train
import yaml
from clips import real_clips
from PIL import Image
from report import ROOT, write
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as F

from pipeline.compute import device
from pipeline.config import runs
from pipeline.data import loader
from pipeline.data.batched import BatchedDataset
from pipeline.data.crops import Crop
from pipeline.data.dataset import PeriodDataset, StreamDataset
from pipeline.data.groups import CachedRankings
from pipeline.data.instants import stack_fields
from pipeline.data.stream import Stream
from pipeline.data.transforms import normalise
from pipeline.storage import writer
from pipeline.storage.codecs import Codec
from pipeline.storage.keys import key_of
from pipeline.streams import DIRECTIONS, MEAN, STD, STORES, STREAMS
from pipeline.training.step import Step

CPU, BATCH, RUNS, SAMPLES = torch.device("cpu"), 16, 5, 20_000
BEFORE = 6  # steps of training before the clock
READERS = ("PIL", "OpenCV", "OpenCV alone")
ROUNDS = {"gpu": (6, 12), "cpu": (6, 12)} | dict.fromkeys(
    READERS, (2, 3)
)  # batches of a worker: before the clock, on it
CONFIG = yaml.safe_load((ROOT / "config.yaml").read_text())
KINDS = ("appearance", "motion", *DIRECTIONS)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("cache", type=Path, help="folder for the clips' flow")
    parser.add_argument(
        "--parts", nargs="+", default=["speed", "memory"], choices=["speed", "memory", "training"]
    )
    parser.add_argument(
        "--workers",
        nargs="+",
        type=int,
        default=[0, 2],
        help="of speed and training: with each number",
    )
    parser.add_argument("--steps", type=int, default=20, help="of training: timed steps of a round")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    processor = device.prepare_device(1)
    clips = real_clips(options.data / "ucf101_6class" / "videos", options.cache)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        rows = lay_out(clips, folder, "speed" in options.parts)
        del clips
        if "speed" in options.parts:
            print(
                f"{'samples/s':22}{'workers':>8}{'for GPU':>9}{'on CPU':>9}"
                + "".join(f"{name:>14}" for name in READERS)
                + f"{'GPU : each':>19}{'CPU : each':>19}{'apart':>8}"
            )
            speed = [
                of_speed(kind, rows, folder, workers)
                for workers in options.workers
                for kind in KINDS
            ]
            write("loader", {"batch": BATCH, "speed": speed})
        if "memory" in options.parts:
            write(
                "loader_memory",
                {
                    "batch": BATCH,
                    "memory": [of_memory(rows, folder, workers) for workers in (0, 2)],
                },
            )
        if "training" in options.parts:
            name = device.device_name(processor)
            print(
                f"{name}\n{'samples/s':22}{'workers':>8}{'batch':>7}{'at hand':>9}{'loader':>9}{'share':>8}"
            )
            write(
                "loader_training"
                + (f"_{name.replace(' ', '_')}" if processor.type == "cuda" else ""),
                {
                    "device": name,
                    "training": [
                        of_training(direction, rows, folder, workers, processor, options.steps)
                        for workers in options.workers
                        for direction in DIRECTIONS
                    ],
                },
            )


def lay_out(clips: list, folder: Path, files: bool) -> list[dict]:
    """Both stores of the clips: ours by the default config, and with `files` theirs, JPEG of quality 95; their index."""
    rows = [
        {
            "clip": f"c/{name}",
            "path": name,
            "sha256": "0",
            "frames": len(frames),
            "label": 0,
            "shard": "000",
        }
        for name, frames, _ in clips
    ]
    by_name = {name: {"frames": frames, "flow": fields} for name, frames, fields in clips}
    for kind in ("frames", "flow"):
        writer.write_shard(
            folder / kind / "000.h5",
            kind,
            rows,
            lambda row, kind=kind: iter(by_name[row["path"]][kind]),
            {"store": CONFIG["store"]},
            "benchmark",
            "benchmark",
            codec=Codec.from_settings(CONFIG, kind),
        )
    with writer.create(folder / "groups.h5", "groups", {}, "benchmark") as file:
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


def draws_of(kind: str, rows: list[dict], folder: Path, own: dict = CONFIG) -> Dataset:
    streams = {
        name: Stream(name, folder / STORES[name], own["crops"], own["stack"], rows)
        for name in STREAMS
    }
    if kind in streams:
        return StreamDataset(rows, streams[kind], 1)
    one, many = (streams[name] for name in DIRECTIONS[kind])
    groups = CachedRankings(folder / "groups.h5", 1)
    return PeriodDataset(
        rows, one, many, 1, own["period"]["delta"], own["period"]["instants"], groups, groups
    )


class Unfinished(BatchedDataset):
    """Samples up to what is copied to a GPU."""

    def __init__(self, dataset: BatchedDataset):
        self.dataset = dataset

    def __getitem__(self, index: int) -> dict:
        return self.dataset[index]

    def collate(self, items: list[dict], device_type: str) -> dict:
        return self.dataset.collate(items, "cuda")


class FileStream:
    """A stream whose requests are pixels, read from JPEG files by `read`."""

    def __init__(self, stream: Stream, read: Callable):
        self.stream, self.read_files = stream, read

    def __getattr__(self, name: str):
        return getattr(self.__dict__["stream"], name)

    def request(self, row: dict, instants, crop: Crop) -> torch.Tensor:
        return self.read_files(self.stream, row, instants, crop)


class Files(Dataset):
    """Today's practice: each frame and plane of a sample is a JPEG file, read, cropped, resized and turned one by one."""

    def __init__(self, draws: Dataset, folder: Path, reader: str):
        self.draws, self.folder, self.reader = copy.copy(draws), folder, reader
        for name in {"stream", "one", "many"} & vars(draws).keys():
            setattr(self.draws, name, FileStream(getattr(draws, name), self.read))
        self.normalise = {name: v2.Normalize(MEAN[name], STD[name]) for name in STREAMS}

    def __getitem__(self, draw: int) -> dict:
        """The draw's own clip, instants and crop: asked of it with a reader that reads files."""
        return self.draws[draw]

    def read(self, stream: Stream, row: dict, instants, crop: Crop) -> torch.Tensor:
        found = [
            self.frame(row, t, crop) if stream.name == "appearance" else self.stack(row, t, crop)
            for t in np.atleast_1d(instants)
        ]
        return torch.stack(found) if np.ndim(instants) else found[0]

    def frame(self, row: dict, instant: int, crop: Crop) -> torch.Tensor:
        pixels = self.image(
            self.folder / row["path"] / f"img_{instant + 1:05}.jpg", crop, colour=True
        )
        return self.normalise["appearance"](pixels)

    def stack(self, row: dict, instant: int, crop: Crop) -> torch.Tensor:
        planes = []
        for t in stack_fields(int(instant), CONFIG["stack"], row["frames"] - 1):
            for axis in "xy":
                plane = self.image(
                    self.folder / row["path"] / f"flow_{axis}_{t + 1:05}.jpg", crop, colour=False
                )
                planes.append(1 - plane if crop.mirrored and axis == "x" else plane)
        return self.normalise["motion"](torch.cat(planes))

    def image(self, path: Path, crop: Crop, colour: bool) -> torch.Tensor:
        """(3 or 1, size, size) float32 in 0 .. 1."""
        side = CONFIG["crops"]["size"]
        if self.reader == "PIL":
            image = Image.open(path)
            rows, columns = crop.pixels(*image.size)
        else:
            image = cv2.imread(str(path), cv2.IMREAD_COLOR_RGB if colour else cv2.IMREAD_GRAYSCALE)
            rows, columns = crop.pixels(image.shape[1], image.shape[0])
        if self.reader == "OpenCV alone":
            image = cv2.resize(image[rows, columns], (side, side), interpolation=cv2.INTER_LINEAR)
            image = cv2.flip(image, 1) if crop.mirrored else image
        else:
            image = image if self.reader == "PIL" else F.to_image(image)
            image = F.resized_crop(
                image,
                rows.start,
                columns.start,
                rows.stop - rows.start,
                columns.stop - columns.start,
                [side, side],
            )
            image = F.horizontal_flip(image) if crop.mirrored else image
        return F.to_dtype(F.to_image(image), torch.float32, scale=True)


def of_speed(kind: str, rows: list[dict], folder: Path, workers: int) -> dict:
    """Samples a second of ours and of files, in turns."""
    draws = draws_of(kind, rows, folder)
    names = (
        {"input": kind}
        if kind in STREAMS
        else dict(zip(("one", "many"), DIRECTIONS[kind], strict=True))
    )
    plain = {reader: Files(draws, folder, reader) for reader in READERS}

    def finished(numbers: range) -> Iterator[list[torch.Tensor]]:
        for batch in loader.iterate_batches(draws, numbers, BATCH, CPU, workers):
            yield [normalise(batch[name], stream) for name, stream in names.items()]

    sides = {
        "gpu": lambda numbers: loader.iterate_batches(
            Unfinished(draws), numbers, BATCH, CPU, workers
        ),
        "cpu": finished,
        **{
            reader: lambda numbers, files=files: DataLoader(
                files, BATCH, sampler=numbers, num_workers=workers
            )
            for reader, files in plain.items()
        },
    }
    apart = max(
        float(
            (
                normalise(torch.from_numpy(draws.read(3)[name]), stream)
                - plain["OpenCV alone"][3][name]
            )
            .abs()
            .mean()
        )
        for name, stream in names.items()
    )
    rates: dict[str, list[float]] = {name: [] for name in sides}
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(cores)[: max(workers, 1)])  # workers inherit it
    for turn in range(RUNS):
        for name, side in sides.items():
            before, counted = (max(workers, 1) * count for count in ROUNDS[name])
            start, count = turn * 1000 * BATCH, (before + counted) * BATCH
            rates[name].append(BATCH * rate(iter(side(range(start, start + count))), before))
    os.sched_setaffinity(0, cores)
    row = {
        "kind": kind,
        "workers": workers,
        "mean_difference": apart,
        **{name: statistics.median(found) for name, found in rates.items()},
    }
    times = {
        side: " ".join(f"{row[side] / row[reader]:5.1f}" for reader in READERS)
        for side in ("gpu", "cpu")
    }
    print(
        f"{kind:22}{workers:8}{row['gpu']:9.1f}{row['cpu']:9.1f}"
        + "".join(f"{row[name]:14.1f}" for name in READERS)
        + f"{times['gpu']:>19}{times['cpu']:>19}{apart:8.3f}",
        flush=True,
    )
    return row


def rate(batches: Iterator, before: int) -> float:
    """Batches a second after the first `before`."""
    for _ in islice(batches, before):
        pass
    begun = time.perf_counter()
    counted = sum(1 for _ in batches)
    return counted / (time.perf_counter() - begun)


def of_training(
    direction: str,
    rows: list[dict],
    folder: Path,
    workers: int,
    processor: torch.device,
    steps: int,
) -> dict:
    """Samples a second of joint ASYN training on batches that are at hand, and on those of the loader, in turns."""
    gpu = processor.type == "cuda"
    own = runs.for_run(CONFIG, "ucf101" if gpu else "demo", runs.Run("split1", runs.COMPLETE))
    torch.manual_seed(0)
    net, loss_of, schedule = train.network("asyn", direction, own, len(rows))
    size = schedule["batch"] if gpu else BATCH
    net.to(processor, memory_format=device.resolve_layout("auto", processor)).train()
    step = Step(
        net, loss_of, schedule | {"lr": 1e-5, "accumulate": 1, "precision": "auto"}, processor
    )
    draws = draws_of(direction, rows, folder, own)
    ready = list(loader.iterate_batches(draws, range(4 * size), size, processor, 0))

    def learnt(batches: Iterable[dict]) -> Iterator[None]:
        for number, batch in enumerate(batches):
            step(0, [batch])
            if gpu and number in (BEFORE - 1, BEFORE + steps - 1):
                torch.cuda.synchronize()
            yield

    found = {"at_hand": [], "loader": []}
    for turn in range(3):
        numbers = range(turn * 1000 * size, (turn * 1000 + BEFORE + steps) * size)
        found["at_hand"].append(size * rate(learnt(islice(cycle(ready), BEFORE + steps)), BEFORE))
        found["loader"].append(
            size
            * rate(learnt(loader.iterate_batches(draws, numbers, size, processor, workers)), BEFORE)
        )
    row = {
        "direction": direction,
        "workers": workers,
        "batch": size,
        **{name: statistics.median(rates) for name, rates in found.items()},
    }
    row["share"] = row["loader"] / row["at_hand"]
    print(
        f"{direction:22}{workers:8}{size:7}{row['at_hand']:9.1f}{row['loader']:9.1f}{row['share']:8.1%}",
        flush=True,
    )
    return row


def resident() -> int:
    """Bytes resident of this process and its children."""
    own, total = os.getpid(), 0
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            number, parent = (
                int(status.parent.name),
                int(status.read_text().rpartition(")")[2].split()[1]),
            )
            if own in (number, parent):
                total += int((status.parent / "statm").read_text().split()[1]) * os.sysconf(
                    "SC_PAGE_SIZE"
                )
        except (FileNotFoundError, ProcessLookupError):
            continue  # ended meanwhile
    return total


def of_memory(rows: list[dict], folder: Path, workers: int) -> dict:
    """Resident memory over an epoch: its highest in each tenth of SAMPLES, after a first tenth to warm up."""
    draws, peaks, ended = (
        draws_of("appearance-to-motion", rows, folder),
        [0] * 11,
        threading.Event(),
    )
    place = 0

    def watch():
        while not ended.wait(0.05):
            peaks[place] = max(peaks[place], resident())

    watcher = threading.Thread(target=watch)
    watcher.start()
    for number, _ in enumerate(
        loader.iterate_batches(draws, range(SAMPLES * 11 // 10), BATCH, CPU, workers)
    ):
        place = min(number * BATCH * 10 // SAMPLES, 10)
    ended.set()
    watcher.join()
    mib = [peak / 2**20 for peak in peaks]
    growth = mib[-1] / mib[1] - 1
    print(
        f"{workers} workers, {SAMPLES} samples: resident {mib[1]:.0f} MiB at first, {max(mib[1:]):.0f} at most, "
        f"{mib[-1]:.0f} at last: {growth:+.1%}",
        flush=True,
    )
    return {"workers": workers, "samples": SAMPLES, "mib": mib, "growth": growth}


if __name__ == "__main__":
    main()
