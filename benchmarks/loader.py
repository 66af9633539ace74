"""Compare the loader with today's practice: a folder of JPEG files per clip, read one by one.

    python benchmarks/loader.py ../shared/data /tmp/clips

DATA holds ucf101_6class/; the clips' flow is kept in the second folder between runs. Both sides
read the same samples in the same crops, in a DataLoader with as many workers, on as many cores.
PIL or OpenCV reads the files, and torchvision's transforms make normalised float32 batches of them;
a third rival resizes and mirrors with OpenCV, too, which takes less time. Ours is measured twice:
up to the batches that a GPU finishes (it resizes, mirrors, stacks and normalises), and finished on
the CPU down to float32. Rounds alternate; each begins with batches that do not count; the medians
of the rounds count.

`--parts`: speed, memory, and training, which compares a network's steps on batches of the loader
with its steps on batches that are on the device already: at paper size on a GPU, at the demo's size
on a CPU. Writes benchmarks/results/loader.json, loader_memory.json and loader_training.json, on a
GPU loader_training_<GPU>.json.
"""

import argparse
import os
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import cycle, islice
from pathlib import Path
from typing import NamedTuple

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

from pipeline.compute.device import device_name, prepare_device, resolve_layout
from pipeline.config import runs
from pipeline.data.batched import BatchedDataset
from pipeline.data.crops import Crop
from pipeline.data.dataset import PeriodDataset, StreamDataset
from pipeline.data.groups import CachedRankings
from pipeline.data.instants import stack_fields
from pipeline.data.loader import iterate_batches
from pipeline.data.stream import Stream
from pipeline.data.transforms import normalise
from pipeline.storage import writer
from pipeline.storage.codecs import Codec
from pipeline.storage.keys import key_of
from pipeline.streams import DIRECTIONS, MEAN, STD, STORES, STREAMS
from pipeline.training.step import Step

CPU = torch.device("cpu")
BATCH = 16
# Rounds of the part speed.
ROUNDS = 5
# Samples of the part memory.
SAMPLES = 20_000
# Steps of training before timing starts.
WARM = 6
READERS = ("PIL", "OpenCV", "OpenCV alone")
# Batches per worker in a round: before timing starts, and timed.
BATCHES = {"gpu": (6, 12), "cpu": (6, 12)} | dict.fromkeys(READERS, (2, 3))
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
        help="numbers of workers that speed and training are measured with",
    )
    parser.add_argument("--steps", type=int, default=20, help="of training: timed steps of a round")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    device = prepare_device(1)
    clips = real_clips(options.data / "ucf101_6class" / "videos", options.cache)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        rows = write_stores(clips, folder, "speed" in options.parts)
        del clips
        if "speed" in options.parts:
            compare_speed(rows, folder, options.workers)
        if "memory" in options.parts:
            memory = [measure_memory(rows, folder, num_workers) for num_workers in (0, 2)]
            write("loader_memory", {"batch": BATCH, "memory": memory})
        if "training" in options.parts:
            compare_training(rows, folder, options.workers, device, options.steps)


def write_stores(clips: list, folder: Path, files: bool) -> list[dict]:
    """Write our store of the clips, by the default config, and return their index.

    With `files` the rivals' JPEG files are written, too, in quality 95.
    """
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
        write_jpeg_files(folder / name, frames, fields)
    return rows


def write_jpeg_files(folder: Path, frames: np.ndarray, fields: np.ndarray) -> None:
    """Write img_00001.jpg, flow_x_00001.jpg, flow_y_00001.jpg and so on into a new folder."""
    folder.mkdir()
    for t, frame in enumerate(frames, start=1):
        Image.fromarray(frame).save(folder / f"img_{t:05}.jpg", quality=95)
    for t, field in enumerate(fields, start=1):
        for axis, channel in zip("xy", field, strict=True):
            Image.fromarray(channel).save(folder / f"flow_{axis}_{t:05}.jpg", quality=95)


def build_dataset(
    kind: str,
    rows: list[dict],
    folder: Path,
    settings: dict = CONFIG,
    stream_type: type[Stream] = Stream,
) -> StreamDataset | PeriodDataset:
    """Return the training samples of a stream or direction, read through `stream_type`."""
    streams = {
        name: stream_type(name, folder / STORES[name], settings["crops"], settings["stack"], rows)
        for name in STREAMS
    }
    if kind in streams:
        return StreamDataset(rows, streams[kind], 1)
    single, sequence = (streams[name] for name in DIRECTIONS[kind])
    period = settings["period"]
    rankings = CachedRankings(folder / "groups.h5", 1)
    return PeriodDataset(
        rows, single, sequence, 1, period["delta"], period["instants"], rankings, rankings
    )


class UnfinishedBatches(BatchedDataset):
    """A dataset whose batches are collated for a GPU, and not finished: what is copied there."""

    def __init__(self, dataset: BatchedDataset):
        self.dataset = dataset

    def __getitem__(self, index: int) -> dict:
        return self.dataset[index]

    def collate(self, items: list[dict], device_type: str) -> dict:
        return self.dataset.collate(items, "cuda")


class FileRequest(NamedTuple):
    """A crop of a clip at `instants` (T,), or at a single one, to be read from JPEG files."""

    stream: str
    row: dict
    instants: np.ndarray | int
    crop: Crop


class FileStream(Stream):
    """A stream whose requests are for JPEG files, not for the store."""

    def request(self, row: dict, instants, crop: Crop) -> FileRequest:
        return FileRequest(self.name, row, instants, crop)


class FileDataset(Dataset):
    """Today's practice: JPEG files are read, cropped, resized and flipped one by one."""

    def __init__(self, dataset: StreamDataset | PeriodDataset, folder: Path, reader: str):
        """`dataset` is one of FileStreams; `reader` is one of READERS."""
        self.dataset, self.folder, self.reader = dataset, folder, reader
        self.normalise = {name: v2.Normalize(MEAN[name], STD[name]) for name in STREAMS}

    def __getitem__(self, index: int) -> dict:
        return {
            name: self._read(value) if isinstance(value, FileRequest) else value
            for name, value in self.dataset[index].items()
        }

    def _read(self, request: FileRequest) -> torch.Tensor:
        """(T, C, size, size) float32, or (C, size, size) of a single instant."""
        read = self._frame if request.stream == "appearance" else self._stack
        inputs = [read(request.row, int(t), request.crop) for t in np.atleast_1d(request.instants)]
        return torch.stack(inputs) if np.ndim(request.instants) else inputs[0]

    def _frame(self, row: dict, instant: int, crop: Crop) -> torch.Tensor:
        path = self.folder / row["path"] / f"img_{instant + 1:05}.jpg"
        return self.normalise["appearance"](self._image(path, crop, colour=True))

    def _stack(self, row: dict, instant: int, crop: Crop) -> torch.Tensor:
        channels = []
        for t in stack_fields(instant, CONFIG["stack"], row["frames"] - 1):
            for axis in "xy":
                path = self.folder / row["path"] / f"flow_{axis}_{t + 1:05}.jpg"
                channel = self._image(path, crop, colour=False)
                # A mirrored field moves the other way.
                channels.append(1 - channel if crop.mirrored and axis == "x" else channel)
        return self.normalise["motion"](torch.cat(channels))

    def _image(self, path: Path, crop: Crop, colour: bool) -> torch.Tensor:
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


def compare_speed(rows: list[dict], folder: Path, worker_counts: list[int]) -> None:
    print(
        f"{'samples/s':22}{'workers':>8}{'for GPU':>9}{'on CPU':>9}"
        + "".join(f"{reader:>14}" for reader in READERS)
        + f"{'GPU : each':>19}{'CPU : each':>19}{'apart':>8}"
    )
    speed = [
        measure_speed(kind, rows, folder, num_workers)
        for num_workers in worker_counts
        for kind in KINDS
    ]
    write("loader", {"batch": BATCH, "speed": speed})


def measure_speed(kind: str, rows: list[dict], folder: Path, num_workers: int) -> dict:
    """Samples per second of ours and of the rivals, in turns."""
    dataset = build_dataset(kind, rows, folder)
    # {key of a sample that holds pixels: their stream}
    streams = (
        {"input": kind}
        if kind in STREAMS
        else dict(zip(("one", "many"), DIRECTIONS[kind], strict=True))
    )
    requests = build_dataset(kind, rows, folder, stream_type=FileStream)
    rivals = {reader: FileDataset(requests, folder, reader) for reader in READERS}

    def finished(indices: range) -> Iterator[list[torch.Tensor]]:
        for batch in iterate_batches(dataset, indices, BATCH, CPU, num_workers):
            yield [normalise(batch[name], stream) for name, stream in streams.items()]

    sides: dict[str, Callable[[range], Iterable]] = {
        "gpu": lambda indices: iterate_batches(
            UnfinishedBatches(dataset), indices, BATCH, CPU, num_workers
        ),
        "cpu": finished,
        **{
            reader: lambda indices, files=files: DataLoader(
                files, BATCH, sampler=indices, num_workers=num_workers
            )
            for reader, files in rivals.items()
        },
    }
    ours, theirs = dataset.collate([dataset[3]], "cpu"), rivals["OpenCV alone"][3]
    mean_difference = max(
        float((normalise(ours[name], stream)[0] - theirs[name]).abs().mean())
        for name, stream in streams.items()
    )
    rates: dict[str, list[float]] = {name: [] for name in sides}
    cores = os.sched_getaffinity(0)
    # Workers inherit the cores of this process.
    os.sched_setaffinity(0, sorted(cores)[: max(num_workers, 1)])
    for turn in range(ROUNDS):
        for name, side in sides.items():
            warm, timed = (max(num_workers, 1) * count for count in BATCHES[name])
            start, count = turn * 1000 * BATCH, (warm + timed) * BATCH
            batches = iter(side(range(start, start + count)))
            rates[name].append(BATCH * batches_per_second(batches, warm))
    os.sched_setaffinity(0, cores)
    row = {
        "kind": kind,
        "workers": num_workers,
        "mean_difference": mean_difference,
        **{name: statistics.median(of_rounds) for name, of_rounds in rates.items()},
    }
    show_speed(row)
    return row


def show_speed(row: dict) -> None:
    ratios = {
        side: " ".join(f"{row[side] / row[reader]:5.1f}" for reader in READERS)
        for side in ("gpu", "cpu")
    }
    print(
        f"{row['kind']:22}{row['workers']:8}{row['gpu']:9.1f}{row['cpu']:9.1f}"
        + "".join(f"{row[reader]:14.1f}" for reader in READERS)
        + f"{ratios['gpu']:>19}{ratios['cpu']:>19}{row['mean_difference']:8.3f}",
        flush=True,
    )


def batches_per_second(batches: Iterator, warm: int) -> float:
    """Batches per second after the first `warm`."""
    for _ in islice(batches, warm):
        pass
    start = time.perf_counter()
    count = sum(1 for _ in batches)
    return count / (time.perf_counter() - start)


def compare_training(
    rows: list[dict], folder: Path, worker_counts: list[int], device: torch.device, steps: int
) -> None:
    name = device_name(device)
    print(
        f"{name}\n{'samples/s':22}{'workers':>8}{'batch':>7}{'at hand':>9}{'loader':>9}{'share':>8}"
    )
    training = [
        measure_training(direction, rows, folder, num_workers, device, steps)
        for num_workers in worker_counts
        for direction in DIRECTIONS
    ]
    suffix = f"_{name.replace(' ', '_')}" if device.type == "cuda" else ""
    write(f"loader_training{suffix}", {"device": name, "training": training})


def measure_training(
    direction: str,
    rows: list[dict],
    folder: Path,
    num_workers: int,
    device: torch.device,
    steps: int,
) -> dict:
    """Samples per second of joint ASYN training, on batches at hand and on those of the loader."""
    gpu = device.type == "cuda"
    settings = runs.for_run(CONFIG, "ucf101" if gpu else "demo", runs.Run("split1", runs.COMPLETE))
    torch.manual_seed(0)
    net, criterion, schedule = train.network("asyn", direction, settings, len(rows))
    size = schedule["batch"] if gpu else BATCH
    net.to(device, memory_format=resolve_layout("auto", device)).train()
    step_schedule = schedule | {"lr": 1e-5, "accumulate": 1, "precision": "auto"}
    step = Step(net, criterion, step_schedule, device)
    dataset = build_dataset(direction, rows, folder, settings)
    at_hand = list(iterate_batches(dataset, range(4 * size), size, device, 0))

    def learn(batches: Iterable[dict]) -> Iterator[None]:
        for number, batch in enumerate(batches):
            step(0, [batch])
            # A GPU is done with its steps where timing starts and where it ends.
            if gpu and number in (WARM - 1, WARM + steps - 1):
                torch.cuda.synchronize()
            yield

    rates: dict[str, list[float]] = {"at_hand": [], "loader": []}
    for turn in range(3):
        indices = range(turn * 1000 * size, (turn * 1000 + WARM + steps) * size)
        sides = {
            "at_hand": islice(cycle(at_hand), WARM + steps),
            "loader": iterate_batches(dataset, indices, size, device, num_workers),
        }
        for name, batches in sides.items():
            rates[name].append(size * batches_per_second(learn(batches), WARM))
    row = {
        "direction": direction,
        "workers": num_workers,
        "batch": size,
        **{name: statistics.median(of_rounds) for name, of_rounds in rates.items()},
    }
    row["share"] = row["loader"] / row["at_hand"]
    print(
        f"{direction:22}{num_workers:8}{size:7}{row['at_hand']:9.1f}{row['loader']:9.1f}"
        f"{row['share']:8.1%}",
        flush=True,
    )
    return row


def measure_memory(rows: list[dict], folder: Path, num_workers: int) -> dict:
    """Resident memory in MiB over SAMPLES: the peak of each tenth, after one tenth to warm up."""
    dataset = build_dataset("appearance-to-motion", rows, folder)
    peaks, ended = [0] * 11, threading.Event()
    tenth = 0

    def watch():
        while not ended.wait(0.05):
            peaks[tenth] = max(peaks[tenth], resident_bytes())

    watcher = threading.Thread(target=watch)
    watcher.start()
    indices = range(SAMPLES * 11 // 10)
    for number, _ in enumerate(iterate_batches(dataset, indices, BATCH, CPU, num_workers)):
        tenth = min(number * BATCH * 10 // SAMPLES, 10)
    ended.set()
    watcher.join()
    mib = [peak / 2**20 for peak in peaks]
    growth = mib[-1] / mib[1] - 1
    print(
        f"{num_workers} workers, {SAMPLES} samples: resident {mib[1]:.0f} MiB at first, "
        f"{max(mib[1:]):.0f} at most, {mib[-1]:.0f} at last: {growth:+.1%}",
        flush=True,
    )
    return {"workers": num_workers, "samples": SAMPLES, "mib": mib, "growth": growth}


def resident_bytes() -> int:
    """Resident memory of this process and its children."""
    own, total = os.getpid(), 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            pid = int(stat.parent.name)
            # The parent is the second field after the name, which may hold spaces and brackets.
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
            if own in (pid, parent):
                pages = int((stat.parent / "statm").read_text().split()[1])
                total += pages * os.sysconf("SC_PAGE_SIZE")
        except (FileNotFoundError, ProcessLookupError):
            # The process has ended meanwhile.
            continue
    return total


if __name__ == "__main__":
    main()
