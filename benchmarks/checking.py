"""What it costs that everything is checked before it is used.

    python benchmarks/checking.py ../shared/data --results results/demo

DATA holds ucf101_6class/. Of a clip of each class 100 frames are taken, with flow of a few
iterations, which takes as many bytes as flow of all. Measured are: how fast digests are computed;
samples that a training run reads with the checksums of chunks and without, in turns, by one
process, in processor time; reading chunks of files whose tables have checksums and of HDF5's oldest
format; and reading all small files of a run again. Prints tables and writes
benchmarks/results/checking.json.
"""

import argparse
import hashlib
import statistics
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import islice
from pathlib import Path

import cv2
import h5py
import numpy as np
from loader import BATCH, CPU, KINDS, UnfinishedBatches, build_dataset, write_stores
from report import write

from pipeline.compute.device import prepare_device
from pipeline.data.loader import iterate_batches
from pipeline.files import is_sealed, require_intact
from pipeline.flow import levels, tvl1
from pipeline.report.verify import files_of
from pipeline.storage import codecs, decoding
from pipeline.storage.layout import LIBRARY_VERSIONS, PER_FRAME
from pipeline.video.decode import decode

# Frames of a clip.
FRAMES = 100
ROUNDS = 5
# Batches of a round: before timing starts, and timed.
WARM, TIMED = 1, 12
# Bytes that digests are computed of at a time: a few fields of flow, as lz4 has them in a chunk.
BLOCK = 125_000


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--results", type=Path, help="folder of a finished run, results/<set>")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    prepare_device(1)
    found = {"digests": measure_digests()}
    clips = short_clips(options.data / "ucf101_6class" / "videos")
    with tempfile.TemporaryDirectory() as temporary:
        rows = write_stores(clips, Path(temporary), files=False)
        del clips
        found["reading"] = [measure_reading(kind, rows, Path(temporary)) for kind in KINDS]
        found["chunks"] = measure_tables(Path(temporary))
    if options.results:
        found["run"] = measure_run(options.results)
    write("checking", {"batch": BATCH, **found})


def short_clips(videos: Path) -> list[tuple[str, np.ndarray, np.ndarray]]:
    """Of a clip of each class its name, frames (n, H, W, 3) and fields (n - 1, 2, H, W), uint8."""
    clips = []
    for folder in sorted(videos.iterdir()):
        path = min(folder.iterdir())
        frames = np.stack(list(islice(decode(str(path)), FRAMES)))
        fields = tvl1.fields(map(tvl1.grey, frames), backend="cpu", warps=1, outer=2)
        # (H, W, 2) -> (2, H, W)
        codes = [levels.quantise(field).transpose(2, 0, 1) for field in fields]
        clips.append((path.stem, frames, np.stack(codes)))
    return clips


def measure_digests() -> dict:
    """Gigabytes a second of each digest, on one core."""
    content = np.random.default_rng(0).bytes(BLOCK)
    functions = {
        "SHA-256 of files": lambda: hashlib.sha256(content).digest(),
        "CRC-32 of chunks": lambda: codecs.crc32(content),
        "CRC-32 of zlib": lambda: zlib.crc32(content),
    }
    rates = {name: BLOCK / _median_seconds(run, 200) / 1e9 for name, run in functions.items()}
    for name, rate in rates.items():
        print(f"{name:24}{rate:8.1f} GB/s", flush=True)
    return rates


def measure_reading(kind: str, rows: list[dict], folder: Path) -> dict:
    """Samples that are read in a second of processor time, for a GPU to finish; and the share of
    the time for checksums, whose time is taken in the same runs.
    """
    dataset = UnfinishedBatches(build_dataset(kind, rows, folder))
    seconds: dict[str, list[float]] = {"checked": [], "unchecked": []}
    for turn in range(ROUNDS):
        for name, times in seconds.items():
            with unchecked() if name == "unchecked" else checked():
                times.append(_timed(_batches(dataset, turn)))
    with timed_checksums() as spent:
        share = statistics.median(_share(spent, _batches(dataset, turn)) for turn in range(ROUNDS))
    rates = {name: BATCH * TIMED / statistics.median(times) for name, times in seconds.items()}
    print(
        f"{kind:24}{rates['checked']:8.1f} samples/s, unchecked {rates['unchecked']:8.1f}; "
        f"checksums take {share:.2%}",
        flush=True,
    )
    return {"kind": kind, **rates, "share": share}


def _batches(dataset: UnfinishedBatches, turn: int) -> Iterator[dict]:
    start = turn * 1000 * BATCH
    return iterate_batches(dataset, range(start, start + (WARM + TIMED) * BATCH), BATCH, CPU, 0)


def _share(spent: list[float], batches: Iterator) -> float:
    """The share of the time for some batches that is `spent` on checksums."""
    begun = time.perf_counter()
    spent[0] = 0.0
    for _ in batches:
        pass
    return spent[0] / (time.perf_counter() - begun)


@contextmanager
def timed_checksums() -> Iterator[list[float]]:
    """Yield a list whose only item grows by the seconds that checksums take."""
    spent, before = [0.0], decoding.crc32

    def crc32(content: memoryview) -> int:
        begun = time.perf_counter()
        checksum = before(content)
        spent[0] += time.perf_counter() - begun
        return checksum

    decoding.crc32 = crc32
    try:
        yield spent
    finally:
        decoding.crc32 = before


@contextmanager
def checked() -> Iterator[None]:
    yield


@contextmanager
def unchecked() -> Iterator[None]:
    """Have chunks read without computing their checksums."""

    def read(dataset: h5py.Dataset, _: bool, offset: tuple[int, ...]) -> tuple:
        filter_mask, content = dataset.id.read_direct_chunk(offset)
        return filter_mask, memoryview(content)[: -codecs.CHECKSUM.size]

    before, decoding._read_chunk = decoding._read_chunk, read
    try:
        yield
    finally:
        decoding._read_chunk = before


def _timed(batches: Iterator) -> float:
    """Seconds of processor time for all batches behind the first WARM."""
    for _ in range(WARM):
        next(batches)
    begun = time.process_time()
    for _ in batches:
        pass
    return time.process_time() - begun


def measure_tables(folder: Path) -> dict:
    """Bytes of the stores, and microseconds to find and read a chunk, in both formats of HDF5."""
    found = {}
    for kind in PER_FRAME:
        stored, oldest = folder / kind / "000.h5", folder / kind / "oldest.h5"
        with h5py.File(stored) as one, h5py.File(oldest, "w", libver=("earliest", "v110")) as other:
            copy_chunks(one, other)
        found[kind] = {
            name: {"bytes": path.stat().st_size, "microseconds": _microseconds_a_chunk(path)}
            for name, path in ((" to ".join(LIBRARY_VERSIONS), stored), ("oldest", oldest))
        }
        for name, numbers in found[kind].items():
            size, microseconds = numbers.values()
            print(f"{kind}, {name:20}{size:12,} bytes, {microseconds:6.1f} us a chunk", flush=True)
    return found


def copy_chunks(one: h5py.File, other: h5py.File) -> None:
    """Write the datasets of a file into another, chunk by chunk, with their attributes as text."""
    paths: list[str] = []
    one.visititems(lambda path, node: paths.append(path) if hasattr(node, "shape") else None)
    for path in paths:
        data = one[path]
        properties = data.id.get_create_plist().copy()
        space = data.id.get_space()
        group, _, name = path.rpartition("/")
        new = h5py.Dataset(
            h5py.h5d.create(
                other.require_group(group).id, name.encode(), data.id.get_type(), space, properties
            )
        )
        for number in range(data.id.get_num_chunks()):
            offset = data.id.get_chunk_info(number).chunk_offset
            new.id.write_direct_chunk(offset, data.id.read_direct_chunk(offset)[1])
        new.attrs.update({key: value.decode() for key, value in data.attrs.items()})
    other.attrs.update(
        {key: getattr(value, "decode", lambda v=value: v)() for key, value in one.attrs.items()}
    )


def _microseconds_a_chunk(path: Path) -> float:
    """Opening the dataset of a clip and reading a random chunk of it, as the loader does."""
    with h5py.File(path, rdcc_nbytes=0) as file:
        paths: list[str] = []
        file.visititems(lambda path, node: paths.append(path) if hasattr(node, "shape") else None)
        rng, chunks = np.random.default_rng(0), []
        for _ in range(500):
            name = paths[rng.integers(len(paths))]
            data = file[name]
            number = int(rng.integers(data.id.get_num_chunks()))
            chunks.append((name.encode(), data.id.get_chunk_info(number).chunk_offset))

        def read() -> None:
            for name, offset in chunks:
                h5py.h5d.open(file.id, name).read_direct_chunk(offset)

        return _median_seconds(read, 5) / len(chunks) * 1e6


def measure_run(folder: Path) -> dict:
    """Seconds to read all files of a run again: of large stores, which are checked by the chunk
    when they are read, and of all else, which each job reads whole before it uses it.
    """
    parts: dict[str, list[Path]] = {"stores": [], "others": []}
    for path in filter(is_sealed, files_of([folder])):
        is_store = path.suffix == ".h5" and path.parent.name in PER_FRAME
        parts["stores" if is_store else "others"].append(path)
    found = {}
    for name, paths in parts.items():
        seconds = _median_seconds(partial(_check_all, paths), 5, time.perf_counter)
        size = sum(path.stat().st_size for path in paths)
        found[name] = {"files": len(paths), "bytes": size, "seconds": seconds}
        print(f"{name:24}{len(paths):6} files, {size / 1e6:8.1f} MB, {seconds:6.3f} s", flush=True)
    return found


def _check_all(paths: list[Path]) -> None:
    from pipeline import files

    # Each process checks a file once; this one is to do it again.
    files._intact.clear()
    for path in paths:
        require_intact(path)


def _median_seconds(
    run: Callable[[], object], rounds: int, clock: Callable[[], float] = time.process_time
) -> float:
    seconds = []
    for _ in range(rounds):
        begun = clock()
        run()
        seconds.append(clock() - begun)
    return statistics.median(seconds)


if __name__ == "__main__":
    main()
