"""Codings of frames and flow in HDF5, side by side: room, random stacks and frames a second, writing, what is lost.

    taskset -c 0 python benchmarks/codings.py ../shared/data /tmp/clips

DATA holds ucf101_6class/; the clips' flow is kept in the second folder between runs. All are written to a file and read from
it into one array, one core, processor time, files in the page cache. Rows of h5py are read with hdf5plugin's filters, ours
by pipeline.codings, which is also asked for a training crop of each ("cut"), of which no array is made. Prints two tables
and writes benchmarks/results/codings.json.
"""

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path
from unittest import mock

import h5py
import hdf5plugin
import imagecodecs
import numpy as np
import yaml
from clips import genuine
from report import ROOT, write

from pipeline.data.crops import training_crop
from pipeline.storage import decoding, jpeg
from pipeline.storage.codecs import Codec

UCF101 = {"flow": 2_470_770, "frames": 2_484_000}  # fields and frames, 320 x 240
STACK, READS, RUNS, WRITTEN = 10, 300, 5, 20
STEP = 40 / 255  # px a level, of flow between +-20 px


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("cache", type=Path, help="folder for the clips' flow")
    options = parser.parse_args()
    clips = genuine(options.data / "ucf101_6class" / "videos", options.cache)
    flow = [
        fields[start : start + WRITTEN] for _, _, fields in clips for start in (0, len(fields) // 2)
    ]
    frames = [
        some[start : start + WRITTEN] for _, some, _ in clips for start in (0, len(some) // 2)
    ]
    write(
        "codings",
        {
            "clips": [name for name, _, _ in clips],
            "affinity": len(os.sched_getaffinity(0)),
            "flow": of_kind("flow", flow),
            "frames": of_kind("frames", frames),
        },
    )


def plugin(chunk: int, **filters):
    """A coding that HDF5 does: chunks of `chunk` items through h5py."""

    def fill(file, key, items):
        file.create_dataset(
            key, data=items, chunks=(min(chunk, len(items)), *items.shape[1:]), **filters
        )

    def read(data, places, out):
        data.read_direct(out, np.s_[places[0] : places[-1] + 1])

    return fill, read


def ours(name: str, quality: int = 0):
    coding = Codec(name, quality)

    def fill(file, key, items):
        coding.append(coding.create(file, key, items.shape[1:]), items)

    return fill, decoding.read


def lz4(level: int, chunk: int, change=lambda items: items):
    """Our LZ4 with other parameters; `change` is what is done to the items before."""

    def fill(file, key, items):
        with mock.patch.multiple(decoding, LEVEL=level, FIELDS=chunk):
            ours("lz4")[0](file, key, np.ascontiguousarray(change(items)))

    return fill, decoding.read


def strips(mcus: int):
    """Our JPEG 85 of frames in strips of another length; a row of a frame of 320 pixels has 20 MCUs."""

    def fill(file, key, items):
        with mock.patch.object(jpeg, "STRIP", mcus):
            ours("jpeg", 85)[0](file, key, items)

    return fill, decoding.read


def frame_codec(encode, decode):
    """Frames by a codec of imagecodecs, as bytes in a dataset of variable length."""

    def fill(file, key, items):
        data = file.create_dataset(key, len(items), h5py.vlen_dtype(np.uint8))
        for number, item in enumerate(items):
            data[number] = np.frombuffer(encode(item), np.uint8)

    def read(data, places, out):
        for place, target in zip(places, out, strict=True):
            target[:] = decode(data[place].tobytes())

    return fill, read


def up(items: np.ndarray) -> np.ndarray:
    """Each row less the one above."""
    return np.diff(items, axis=2, prepend=np.zeros_like(items[:, :, :1]))


def before(items: np.ndarray) -> np.ndarray:
    """Each field less the one before."""
    return np.diff(items, axis=0, prepend=np.zeros_like(items[:1]))


CODINGS = {  # name: (coding, whether it can be compared: predictions are not undone here)
    "flow": {
        "raw": (plugin(1), True),
        "gzip 1 (h5py)": (plugin(1, compression="gzip", compression_opts=1), True),
        "bit-shuffle LZ4 (h5py)": (plugin(1, **hdf5plugin.Bitshuffle(cname="lz4")), True),
        "blosc2 LZ4HC 5 (h5py)": (
            plugin(1, **hdf5plugin.Blosc2(cname="lz4hc", clevel=5, filters=0)),
            True,
        ),
        "blosc2 zstd 5 (h5py)": (
            plugin(1, **hdf5plugin.Blosc2(cname="zstd", clevel=5, filters=0)),
            True,
        ),
        "zstd 9 (h5py)": (plugin(1, **hdf5plugin.Zstd(clevel=9)), True),
        "LZ4HC 4, 5 fields (ours)": (lz4(4, 5), True),
        "LZ4HC 6, 5 fields (ours)": (lz4(6, 5), True),
        "LZ4HC 7, 1 field (ours)": (lz4(7, 1), True),
        "LZ4HC 7, 5 fields (ours): the choice": (ours("lz4"), True),
        "LZ4HC 7, 10 fields (ours)": (lz4(7, 10), True),
        "LZ4HC 9, 5 fields (ours)": (lz4(9, 5), True),
        "LZ4HC 7 of rows' differences": (lz4(7, 5, up), False),
        "LZ4HC 7 of fields' differences": (lz4(7, 5, before), False),
        "JPEG 85 (ours)": (ours("jpeg", 85), True),
        "JPEG 90 (ours): the lossy choice": (ours("jpeg", 90), True),
        "JPEG 95 (ours)": (ours("jpeg", 95), True),
    },
    "frames": {
        "gzip 1 (h5py)": (plugin(1, compression="gzip", compression_opts=1), True),
        "HTJ2K, lossless": (frame_codec(imagecodecs.htj2k_encode, imagecodecs.htj2k_decode), True),
        "WebP, lossless": (
            frame_codec(
                lambda item: imagecodecs.webp_encode(item, lossless=True, level=0),
                imagecodecs.webp_decode,
            ),
            True,
        ),
        "JPEG 80 (ours)": (ours("jpeg", 80), True),
        "JPEG 85 (ours): the choice": (ours("jpeg", 85), True),
        "JPEG 85, strips of 2 MCUs (ours)": (strips(2), True),
        "JPEG 85, strips of a row (ours)": (strips(20), True),
        "JPEG 90 (ours)": (ours("jpeg", 90), True),
        "JPEG 95 (ours)": (ours("jpeg", 95), True),
    },
}
CROPS = yaml.safe_load((ROOT / "config.yaml").read_text())["crops"]


def of_kind(kind: str, clips: list[np.ndarray]) -> list[dict]:
    """A row for each coding: written once, read in turn, so that a busy machine is busy for all of them."""
    count, each = sum(map(len, clips)), STACK if kind == "flow" else 1
    rng = np.random.default_rng(1)
    wanted = [
        (f"clip{number}", range(start, start + each))
        for number, start in zip(
            rng.integers(0, len(clips), READS),
            rng.integers(0, WRITTEN - each + 1, READS),
            strict=True,
        )
    ]
    crops = [
        training_crop(
            rng, CROPS["frame"], CROPS["appearance" if kind == "frames" else "motion"], False
        ).pixels(*(clips[0].shape[2:0:-1] if kind == "frames" else clips[0].shape[:1:-1]))
        for _ in wanted
    ]
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for number, (name, ((fill, read), comparable)) in enumerate(CODINGS[kind].items()):
            path = Path(folder) / f"{number}.h5"
            with h5py.File(path, "w") as file:
                begun = time.process_time()
                for place, items in enumerate(clips):
                    fill(file, f"clip{place}", items)
                taken = time.process_time() - begun
            row = {
                "coding": name,
                "bytes": path.stat().st_size / count,
                "written_per_s": count / taken,
                "ucf101_gb": path.stat().st_size / count * UCF101[kind] / 1e9,
            }
            if comparable:
                apart = np.empty((len(clips), *clips[0].shape), np.int16)
                with h5py.File(path) as file:
                    for place, items in enumerate(clips):
                        out = np.empty_like(items)
                        read(file[f"clip{place}"], range(len(items)), out)
                        apart[place] = out.astype(np.int16) - items
                if kind == "flow":
                    px = np.abs(apart) * STEP
                    row |= {
                        "mean_px": float(px.mean()),
                        "p99_px": float(np.percentile(px, 99)),
                        "max_px": float(px.max()),
                    }
                elif apart.any():
                    row["psnr_db"] = float(
                        10 * np.log10(255**2 / np.mean(apart.astype(float) ** 2))
                    )
            rows.append(row)
        rates: dict[str, list[float]] = {row["coding"]: [] for row in rows}
        cut: dict[str, list[float]] = {row["coding"]: [] for row in rows}
        for _ in range(RUNS):
            for number, (name, ((_, read), comparable)) in enumerate(CODINGS[kind].items()):
                if comparable:
                    with h5py.File(Path(folder) / f"{number}.h5", rdcc_nbytes=0) as file:
                        out = np.empty((each, *clips[0].shape[1:]), np.uint8)
                        begun = time.process_time()
                        for key, places in wanted:
                            read(file[key], places, out)
                        rates[name].append(READS / (time.process_time() - begun))
                        if read is decoding.read:
                            begun = time.process_time()
                            for (key, places), crop in zip(wanted, crops, strict=True):
                                for _ in decoding.frames_or_fields(file[key], places, *crop):
                                    pass
                            cut[name].append(READS / (time.process_time() - begun))
    unit = "stacks" if kind == "flow" else "frames"
    print(
        f"\n{kind:38} {'bytes':>8} {'UCF101':>9} {unit + '/s':>9} {'cut/s':>7} {'written/s':>10}   lost"
    )
    for row in rows:
        found = rates[row["coding"]]
        row["read_per_s"] = statistics.median(found) if found else None
        row["cut_per_s"] = statistics.median(cut[row["coding"]]) if cut[row["coding"]] else None
        lost = (
            f"{row['mean_px']:.4f} px mean, {row['p99_px']:.3f} p99"
            if row.get("mean_px")
            else f"{row['psnr_db']:.1f} dB"
            if "psnr_db" in row
            else "nothing"
        )
        print(
            f"{row['coding']:38} {row['bytes']:8.0f} {row['ucf101_gb']:6.1f} GB {row['read_per_s'] or 0:9.0f} "
            f"{row['cut_per_s'] or 0:7.0f} {row['written_per_s']:10.0f}   {lost}",
            flush=True,
        )
    return rows


if __name__ == "__main__":
    main()
