"""Files of a run against what was written: those with a seal whole, others by their checksums."""

from collections.abc import Iterator
from pathlib import Path

import h5py

from pipeline.errors import PipelineError
from pipeline.files import SEALS, is_sealed, require_intact
from pipeline.report.clip import kind_of
from pipeline.storage import decoding, reader
from pipeline.storage.layout import PER_FRAME

# Endings of the files that programs read.
READ = {".h5", ".pt", ".json", ".csv"}
# What is found out again where it is damaged: links to kept outputs, which have digests of their
# own, and what one start of Snakemake leaves for the next and for its jobs.
KEPT = {".kept", ".handed", ".listings"}
INTACT, CHUNKS, UNCHECKED = "intact", "intact by its own checksums", "not checked"


def files_of(folders: list[Path]) -> list[Path]:
    """The files in `folders`, or named there, that can be checked, sorted.

    Raises PipelineError for a folder that does not exist.
    """
    found = set()
    for folder in folders:
        if not folder.exists():
            raise PipelineError(f"{folder}: there is no such folder; name one, such as results")
        found |= {folder} if folder.is_file() else set(_inside(folder))
    return sorted(found)


def _inside(folder: Path) -> Iterator[Path]:
    for path in folder.rglob("*"):
        if ({SEALS} | KEPT) & set(path.parts) or not path.is_file():
            continue
        if path.suffix in READ or is_sealed(path):
            yield path


def check(path: Path) -> str:
    """Read a file whole; returns how it was found to be good, one of INTACT, CHUNKS, UNCHECKED.

    Raises PipelineError where it is damaged or cannot be read.
    """
    if require_intact(path):
        return INTACT
    if path.suffix == ".h5" and h5py.is_hdf5(path):
        return CHUNKS if _has_good_chunks(path) else UNCHECKED
    return UNCHECKED


def _has_good_chunks(path: Path) -> bool:
    """Whether a file without a seal holds frames or flow, all of which can be decoded."""
    with reader.open_checked(path) as file:
        if kind_of(file) not in PER_FRAME:
            return False
        datasets = []
        file.visititems(lambda _, node: datasets.append(node) if hasattr(node, "shape") else None)
        for dataset in datasets:
            # No pixels are wanted, but each chunk is read.
            none = slice(0, 1)
            for _ in decoding.frames_or_fields(dataset, range(len(dataset)), none, none):
                pass
    return True
