"""Write HDF5 files: a file is complete or not there at all, and a shard is written clip by clip."""

import hashlib
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from pipeline.errors import PipelineError, first_line
from pipeline.files import replacing, require_intact
from pipeline.storage import attributes, layout, scratch
from pipeline.storage.codecs import DEFAULT_CODEC, Codec
from pipeline.storage.keys import key_of
from pipeline.storage.layout import ABOUT, BLOCK, PER_FRAME


@contextmanager
def create(
    path: str | Path, kind: str, settings: dict, code: str, sealed: bool = True, **facts
) -> Iterator[h5py.File]:
    """Open a new file of a `kind` of ABOUT for writing.

    The file gets its name when the block ends well; otherwise nothing is left of it. `settings`,
    `code`, the id of the code that writes, and `facts` become attributes of the file. `sealed` as
    in `files.replacing`.
    """
    with (
        replacing(path, sealed) as temporary,
        scratch.written_there(temporary) as written,
        h5py.File(written, "w", libver=layout.LIBRARY_VERSIONS, locking=False) as file,
    ):
        attributes.write(
            file,
            {
                "format": f"pipeline/{kind}",
                "schema": layout.SCHEMA,
                "about": ABOUT[kind],
                "code": code,
                "settings": json.dumps(settings, sort_keys=True),
                **facts,
            },
        )
        yield file


@dataclass(frozen=True)
class Clip:
    """A clip of a shard that is not written yet. It can be sent to another process.

    row: its index row.
    file: the file that it gets of its own.
    """

    row: dict
    file: Path
    kind: str
    settings: dict
    code: str
    codec: Codec

    def write(self, arrays: Iterator[np.ndarray]) -> None:
        """Write what `arrays` yields, as `make_arrays` of `write_shard` does."""
        with create(self.file, self.kind, self.settings, self.code) as file:
            _write_clip(file, self.kind, self.row, arrays, self.codec)

    def __str__(self) -> str:
        return self.row["path"]


def write_shard(
    path: str | Path,
    kind: str,
    rows: list[dict],
    make_arrays: Callable[[dict], Iterator[np.ndarray]],
    settings: dict,
    code: str,
    made_with: str,
    on_reused: Callable[[dict], None] = lambda row: None,
    codec: Codec = DEFAULT_CODEC,
    write_clips: Callable[[list[Clip]], None] | None = None,
    **facts: str,
) -> str:
    """Write a shard clip by clip; the next run reuses the finished clips of a killed one.

    Finished clips wait in '.partial/' next to the shard, each under a hash of the clip's content,
    the settings and the code. Snakemake, which deletes the declared outputs of a killed job, does
    not know that folder.

    Args:
        path: the shard, `<folder>/<shard>.h5`.
        kind: a kind of ABOUT.
        rows: the index rows of its clips, with the columns clip, path, sha256 and frames.
        make_arrays: of an index row, yields the clip's frames (H, W, 3) or fields (2, H, W), uint8,
            one at a time. Of kinds that are not PER_FRAME it yields the clip's one array.
        settings, code: as in `create`.
        made_with: names and versions of the programs that the content depends on.
        on_reused: called with the index row of each clip that an earlier run has finished.
        codec: how frames or fields are compressed.
        write_clips: writes the clips that are left, each by its `write`, in any order; without it
            they are written one after the other, with what `make_arrays` yields.
        facts: more attributes of the file.

    Returns:
        The digest of all pixels: 16 hex digits, equal for equal content in any lossless codec.

    Raises:
        PipelineError: a clip gives another number of frames or fields than the index wants.
    """
    path = Path(path)
    if kind in PER_FRAME:
        # Files have the codec in an attribute 'coding'.
        facts["coding"] = str(codec)
    folder = path.parent / ".partial" / path.stem
    folder.mkdir(parents=True, exist_ok=True)
    clip_files, left = [], []
    for row in rows:
        identity = json.dumps(
            [row["clip"], row["sha256"], settings, code, layout.SCHEMA, facts], sort_keys=True
        )
        clip_file = folder / f"{hashlib.sha256(identity.encode()).hexdigest()[:32]}.h5"
        clip_files.append(clip_file)
        if _is_finished(clip_file):
            on_reused(row)
        else:
            left.append(Clip(row, clip_file, kind, settings, code, codec))
    if write_clips:
        write_clips(left)
    else:
        for clip in left:
            clip.write(make_arrays(clip.row))
    with create(path, kind, settings, code, made_with=made_with, **facts) as shard:
        digest = _join_clips(shard, rows, clip_files)
    shutil.rmtree(folder)
    return digest


def _is_finished(clip_file: Path) -> bool:
    """Whether an earlier run has written the file of a clip, and it is intact."""
    try:
        return clip_file.is_file() and require_intact(clip_file)
    except PipelineError as error:
        print(f"note: {first_line(error)}; the clip is computed again", file=sys.stderr)
        return False


def _write_clip(
    file: h5py.File, kind: str, row: dict, arrays: Iterator[np.ndarray], codec: Codec
) -> None:
    """Write a clip into a file of its own, with the digest of its pixels in an attribute."""
    key = key_of(row["clip"])
    if kind not in PER_FRAME:
        (array,) = arrays
        file[key] = array
        file.attrs["pixels"] = hashlib.sha256(np.ascontiguousarray(array)).hexdigest()
        return
    count = _append_all(file, key, arrays, codec)
    expected = row["frames"] - PER_FRAME[kind]
    if count != expected:
        raise PipelineError(
            f"{row['path']}: {count} {kind} where the index, which counted "
            f"{row['frames']} frames, wants {expected}; if the video has changed, run "
            "snakemake again, else report this"
        )


def _append_all(file: h5py.File, key: str, arrays: Iterator[np.ndarray], codec: Codec) -> int:
    """Write frames or fields into a new dataset, BLOCK at a time; returns how many there were."""
    digest, block, dataset = hashlib.sha256(), [], None
    for array in arrays:
        if dataset is None:
            dataset = codec.create_dataset(file, key, array.shape)
        block.append(array)
        if len(block) == BLOCK:
            digest.update(codec.append(dataset, np.stack(block)))
            block.clear()
    if block:
        digest.update(codec.append(dataset, np.stack(block)))
    file.attrs["pixels"] = digest.hexdigest()
    return 0 if dataset is None else len(dataset)


def _join_clips(shard: h5py.File, rows: list[dict], clip_files: list[Path]) -> str:
    """Copy the datasets of all clips into the shard; returns the digest of all pixels."""
    digest = hashlib.sha256()
    for row, clip_file in zip(rows, clip_files, strict=True):
        key = key_of(row["clip"])
        group, name = key.rsplit("/", 1)
        with h5py.File(clip_file, "r", locking=False) as file:
            file.copy(file[key], shard.require_group(group), name=name)
            digest.update(f"{key}{file.attrs['pixels']}".encode())
        attributes.write(
            shard[key],
            {
                "clip": row["clip"],
                "source": os.path.basename(row["path"]),
                "sha256": row["sha256"],
            },
        )
    return digest.hexdigest()[:16]
