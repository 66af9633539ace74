"""Compare codecs of frames and flow in HDF5: room, speed of reading and writing, and what is lost.

    taskset -c 0 python benchmarks/codings.py ../shared/data /tmp/clips

The first folder holds ucf101_6class/; the flow of its clips is kept in the second between runs. The
speeds are of random stacks of 10 fields and random frames, read from a file into one array: one
core, processor time, files in the page cache. Rows named h5py are read with the filters of
hdf5plugin, our own by pipeline.storage.decoding. That is also asked for a training crop of each
("cut"), of which it makes no array. Prints two tables and writes benchmarks/results/codings.json.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import h5py
import hdf5plugin
import imagecodecs
import numpy as np
import yaml
from clips import real_clips
from report import ROOT, write

from pipeline.data.crops import training_crop
from pipeline.storage import codecs, decoding, jpeg
from pipeline.storage.codecs import Codec

# Fields and frames of all of UCF101, 320 x 240.
UCF101 = {"flow": 2_470_770, "frames": 2_484_000}
# Fields per stack; random reads; runs, of which the median counts; frames or fields per clip.
STACK, READS, RUNS, CLIP_LENGTH = 10, 300, 5, 20
# Pixels per level of quantised flow, which lies between -20 and 20 pixels.
PIXELS_PER_LEVEL = 40 / 255
CROPS = yaml.safe_load((ROOT / "config.yaml").read_text())["crops"]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("cache", type=Path, help="folder for the clips' flow")
    options = parser.parse_args()
    clips = real_clips(options.data / "ucf101_6class" / "videos", options.cache)
    write(
        "codings",
        {
            "clips": [name for name, _, _ in clips],
            "affinity": len(os.sched_getaffinity(0)),
            "flow": compare("flow", excerpts([fields for _, _, fields in clips])),
            "frames": compare("frames", excerpts([frames for _, frames, _ in clips])),
        },
    )


def excerpts(arrays: list[np.ndarray]) -> list[np.ndarray]:
    """The first CLIP_LENGTH items of each clip, and as many from its middle on."""
    return [
        array[start : start + CLIP_LENGTH] for array in arrays for start in (0, len(array) // 2)
    ]


# The candidates


@dataclass(frozen=True)
class Candidate:
    """A way to store frames or fields.

    `write(file, key, arrays)` creates a dataset. `read(dataset, indices, out)` reads consecutive
    items of it; None where the benchmark does not undo what was done to the items.
    """

    write: Callable[[h5py.File, str, np.ndarray], None]
    read: Callable[[h5py.Dataset, Sequence[int], np.ndarray], object] | None


def by_h5py(**filters) -> Candidate:
    """Chunks of one frame or field, through h5py and a filter of HDF5's or hdf5plugin's."""

    def write_dataset(file, key, arrays):
        file.create_dataset(key, data=arrays, chunks=(1, *arrays.shape[1:]), **filters)

    def read(dataset, indices, out):
        dataset.read_direct(out, np.s_[indices[0] : indices[-1] + 1])

    return Candidate(write_dataset, read)


def ours(name: str, quality: int = 0) -> Candidate:
    """A codec of the package."""
    codec = Codec(name, quality)

    def write_dataset(file, key, arrays):
        codec.append(codec.create_dataset(file, key, arrays.shape[1:]), arrays)

    return Candidate(write_dataset, decoding.read)


def lz4(
    level: int, fields_per_chunk: int, predict: Callable[[np.ndarray], np.ndarray] | None = None
) -> Candidate:
    """Our LZ4 with other parameters, after a prediction where one is given."""

    def write_dataset(file, key, arrays):
        arrays = arrays if predict is None else np.ascontiguousarray(predict(arrays))
        with mock.patch.multiple(codecs, LZ4_LEVEL=level, FIELDS_PER_CHUNK=fields_per_chunk):
            ours("lz4").write(file, key, arrays)

    return Candidate(write_dataset, decoding.read if predict is None else None)


def strips(mcus: int) -> Candidate:
    """Our JPEG 85 of frames in strips of other lengths; 320 pixels are 20 MCUs."""

    def write_dataset(file, key, arrays):
        with mock.patch.object(jpeg, "MIN_STRIP_MCUS", mcus):
            ours("jpeg", 85).write(file, key, arrays)

    return Candidate(write_dataset, decoding.read)


def image_codec(encode: Callable, decode: Callable) -> Candidate:
    """Frames by a codec of imagecodecs, as bytes in a dataset of variable length."""

    def write_dataset(file, key, arrays):
        dataset = file.create_dataset(key, len(arrays), h5py.vlen_dtype(np.uint8))
        for index, array in enumerate(arrays):
            dataset[index] = np.frombuffer(encode(array), np.uint8)

    def read(dataset, indices, out):
        for index, target in zip(indices, out, strict=True):
            target[:] = decode(dataset[index].tobytes())

    return Candidate(write_dataset, read)


def row_differences(fields: np.ndarray) -> np.ndarray:
    """Each row of (n, 2, H, W) minus the row above."""
    return np.diff(fields, axis=2, prepend=np.zeros_like(fields[:, :, :1]))


def field_differences(fields: np.ndarray) -> np.ndarray:
    """Each field of (n, 2, H, W) minus the field before."""
    return np.diff(fields, axis=0, prepend=np.zeros_like(fields[:1]))


CANDIDATES = {
    "flow": {
        "raw": by_h5py(),
        "gzip 1 (h5py)": by_h5py(compression="gzip", compression_opts=1),
        "bit-shuffle LZ4 (h5py)": by_h5py(**hdf5plugin.Bitshuffle(cname="lz4")),
        "blosc2 LZ4HC 5 (h5py)": by_h5py(**hdf5plugin.Blosc2(cname="lz4hc", clevel=5, filters=0)),
        "blosc2 zstd 5 (h5py)": by_h5py(**hdf5plugin.Blosc2(cname="zstd", clevel=5, filters=0)),
        "zstd 9 (h5py)": by_h5py(**hdf5plugin.Zstd(clevel=9)),
        "LZ4HC 4, 5 fields (ours)": lz4(4, 5),
        "LZ4HC 6, 5 fields (ours)": lz4(6, 5),
        "LZ4HC 7, 1 field (ours)": lz4(7, 1),
        "LZ4HC 7, 5 fields (ours): the choice": ours("lz4"),
        "LZ4HC 7, 10 fields (ours)": lz4(7, 10),
        "LZ4HC 9, 5 fields (ours)": lz4(9, 5),
        "LZ4HC 7 of rows' differences": lz4(7, 5, row_differences),
        "LZ4HC 7 of fields' differences": lz4(7, 5, field_differences),
        "JPEG 85 (ours)": ours("jpeg", 85),
        "JPEG 90 (ours): the lossy choice": ours("jpeg", 90),
        "JPEG 95 (ours)": ours("jpeg", 95),
    },
    "frames": {
        "gzip 1 (h5py)": by_h5py(compression="gzip", compression_opts=1),
        "HTJ2K, lossless": image_codec(imagecodecs.htj2k_encode, imagecodecs.htj2k_decode),
        "WebP, lossless": image_codec(
            lambda frame: imagecodecs.webp_encode(frame, lossless=True, level=0),
            imagecodecs.webp_decode,
        ),
        "JPEG 80 (ours)": ours("jpeg", 80),
        "JPEG 85 (ours): the choice": ours("jpeg", 85),
        "JPEG 85, strips of 2 MCUs (ours)": strips(2),
        "JPEG 85, strips of a row (ours)": strips(20),
        "JPEG 90 (ours)": ours("jpeg", 90),
        "JPEG 95 (ours)": ours("jpeg", 95),
    },
}


# Measuring


def compare(kind: str, clips: list[np.ndarray]) -> list[dict]:
    """Measure all candidates of a `kind` on clips of equal shape; prints and returns a row each.

    All are written before any is read, and each run reads all of them in turn, so that a machine
    that is busy for a while is busy for all of them.
    """
    rng = np.random.default_rng(1)
    requests = random_requests(rng, kind, len(clips))
    crops = [random_crop(rng, kind, clips[0].shape) for _ in requests]
    candidates = CANDIDATES[kind]
    read_rates: dict[str, list[float]] = {name: [] for name in candidates}
    cut_rates: dict[str, list[float]] = {name: [] for name in candidates}
    with tempfile.TemporaryDirectory() as folder:
        paths = {name: Path(folder) / f"{number}.h5" for number, name in enumerate(candidates)}
        rows = [
            {"coding": name, **write_all(candidate, paths[name], kind, clips)}
            for name, candidate in candidates.items()
        ]
        for _ in range(RUNS):
            for name, candidate in candidates.items():
                if candidate.read is None:
                    continue
                with h5py.File(paths[name], rdcc_nbytes=0) as file:
                    read_rates[name].append(read_rate(candidate, file, requests, clips[0].shape))
                    if candidate.read is decoding.read:
                        cut_rates[name].append(cut_rate(file, requests, crops))
    print_header(kind)
    for row in rows:
        for column, rates in (("read_per_s", read_rates), ("cut_per_s", cut_rates)):
            measured = rates[row["coding"]]
            row[column] = statistics.median(measured) if measured else None
        print_row(row)
    return rows


def random_requests(
    rng: np.random.Generator, kind: str, clip_count: int
) -> list[tuple[str, range]]:
    """READS random stacks or frames: (HDF5 path of the clip, indices)."""
    length = STACK if kind == "flow" else 1
    clips = rng.integers(0, clip_count, READS)
    starts = rng.integers(0, CLIP_LENGTH - length + 1, READS)
    return [
        (f"clip{clip}", range(start, start + length))
        for clip, start in zip(clips, starts, strict=True)
    ]


def random_crop(rng: np.random.Generator, kind: str, shape: tuple[int, ...]) -> tuple[slice, slice]:
    """The rows and columns of a training crop of the config's sizes."""
    sizes = CROPS["appearance" if kind == "frames" else "motion"]
    height, width = shape[1:3] if kind == "frames" else shape[2:]
    return training_crop(rng, CROPS["frame"], sizes, False).pixels(width, height)


def write_all(candidate: Candidate, path: Path, kind: str, clips: list[np.ndarray]) -> dict:
    """Write all clips into a file; returns its size, the speed, and what was lost."""
    count = sum(map(len, clips))
    with h5py.File(path, "w") as file:
        start = time.process_time()
        for number, arrays in enumerate(clips):
            candidate.write(file, f"clip{number}", arrays)
        seconds = time.process_time() - start
    bytes_per_item = path.stat().st_size / count
    row = {
        "bytes": bytes_per_item,
        "written_per_s": count / seconds,
        "ucf101_gb": bytes_per_item * UCF101[kind] / 1e9,
    }
    return row if candidate.read is None else row | loss(candidate, path, kind, clips)


def loss(candidate: Candidate, path: Path, kind: str, clips: list[np.ndarray]) -> dict:
    """What of the clips is lost: the error of flow in pixels, the PSNR of frames in dB."""
    differences = np.empty((len(clips), *clips[0].shape), np.int16)
    with h5py.File(path) as file:
        for number, arrays in enumerate(clips):
            out = np.empty_like(arrays)
            candidate.read(file[f"clip{number}"], range(len(arrays)), out)
            differences[number] = out.astype(np.int16) - arrays
    if kind == "flow":
        errors = np.abs(differences) * PIXELS_PER_LEVEL
        return {
            "mean_px": float(errors.mean()),
            "p99_px": float(np.percentile(errors, 99)),
            "max_px": float(errors.max()),
        }
    if not differences.any():
        return {}
    mean_square = np.mean(differences.astype(float) ** 2)
    return {"psnr_db": float(10 * np.log10(255**2 / mean_square))}


def read_rate(
    candidate: Candidate,
    file: h5py.File,
    requests: list[tuple[str, range]],
    shape: tuple[int, ...],
) -> float:
    """Requests per second of processor time, read into one array."""
    (_, indices), *_ = requests
    out = np.empty((len(indices), *shape[1:]), np.uint8)
    start = time.process_time()
    for key, indices in requests:
        candidate.read(file[key], indices, out)
    return len(requests) / (time.process_time() - start)


def cut_rate(
    file: h5py.File,
    requests: list[tuple[str, range]],
    crops: list[tuple[slice, slice]],
) -> float:
    """Requests per second of processor time, of each no more than a training crop."""
    start = time.process_time()
    for (key, indices), crop in zip(requests, crops, strict=True):
        for _ in decoding.frames_or_fields(file[key], indices, *crop):
            pass
    return len(requests) / (time.process_time() - start)


# The tables


def print_header(kind: str) -> None:
    unit = "stacks/s" if kind == "flow" else "frames/s"
    print(f"\n{kind:38} {'bytes':>8} {'UCF101':>9} {unit:>9} {'cut/s':>7} {'written/s':>10}   lost")


def print_row(row: dict) -> None:
    if row.get("mean_px"):
        lost = f"{row['mean_px']:.4f} px mean, {row['p99_px']:.3f} p99"
    elif "psnr_db" in row:
        lost = f"{row['psnr_db']:.1f} dB"
    else:
        lost = "nothing"
    print(
        f"{row['coding']:38} {row['bytes']:8.0f} {row['ucf101_gb']:6.1f} GB "
        f"{row['read_per_s'] or 0:9.0f} {row['cut_per_s'] or 0:7.0f} "
        f"{row['written_per_s']:10.0f}   {lost}",
        flush=True,
    )


if __name__ == "__main__":
    main()
