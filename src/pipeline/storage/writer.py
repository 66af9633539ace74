"""Write HDF5 files: one dataset per clip, complete or not at all."""

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np

from pipeline.errors import PipelineError
from pipeline.files import replacing
from pipeline.storage import layout
from pipeline.storage.codecs import PLAIN, Codec
from pipeline.storage.keys import key_of
from pipeline.storage.layout import ABOUT, BLOCK, PER_FRAME


@contextmanager
def create(
    path: str | Path, kind: str, settings: dict, code: str, **attributes
) -> Iterator[h5py.File]:
    """A new file of a `kind` of ABOUT, complete or not there at all: it gets its name when the block ends well."""
    with replacing(path) as temporary, h5py.File(temporary, "w", locking=False) as file:
        file.attrs.update(
            {
                "format": f"pipeline/{kind}",
                "schema": layout.SCHEMA,
                "about": ABOUT[kind],
                "code": code,
                "settings": json.dumps(settings, sort_keys=True),
                **attributes,
            }
        )
        yield file


def write_shard(
    path: str | Path,
    kind: str,
    clips: list[dict],
    items: Callable[[dict], Iterator[np.ndarray]],
    settings: dict,
    code: str,
    made_with: str,
    kept: Callable[[dict], None] = lambda row: None,
    coding: Codec = PLAIN,
    **attributes: str,
) -> str:
    """Write a shard, clip by clip; a killed run keeps its finished clips and goes on with the next.

    `clips`: rows of the index (clip, path, sha256, frames). `items(row)` yields a clip's arrays (H, W, 3) or (2, H, W),
    uint8, one frame or field each, kept in `coding`; of kinds that are not PER_FRAME the one array of the clip. Finished
    clips wait in '.partial/' beside the shard, keyed by the clip's content, the settings and the code; Snakemake, which
    deletes the declared output of a killed job, does not know them.
    `kept(row)` is called for each clip that an earlier run finished. `attributes` are the file's, beside the usual ones.
    Returns the digest of all pixels, the same for equal content in any lossless coding.
    """
    path = Path(path)
    attributes |= {"coding": str(coding)} if kind in PER_FRAME else {}
    partial = path.parent / ".partial" / path.stem
    partial.mkdir(parents=True, exist_ok=True)
    finished = []
    for row in clips:
        identity = json.dumps(
            [row["clip"], row["sha256"], settings, code, layout.SCHEMA, attributes], sort_keys=True
        )
        clip_file = partial / f"{hashlib.sha256(identity.encode()).hexdigest()[:32]}.h5"
        if clip_file.is_file():
            kept(row)
        else:
            with create(clip_file, kind, settings, code) as file:
                if kind not in PER_FRAME:
                    (array,) = items(row)
                    file[key_of(row["clip"])] = array
                    file.attrs["pixels"] = hashlib.sha256(np.ascontiguousarray(array)).hexdigest()
                elif (count := _append_all(file, key_of(row["clip"]), items(row), coding)) != (
                    expected := row["frames"] - PER_FRAME[kind]
                ):
                    raise PipelineError(
                        f"{row['path']}: {count} {kind} where the index, which counted "
                        f"{row['frames']} frames, wants {expected}; if the video has changed, run "
                        "snakemake again, else report this"
                    )
        finished.append(clip_file)
    digest = hashlib.sha256()
    with create(path, kind, settings, code, made_with=made_with, **attributes) as shard:
        for row, clip_file in zip(clips, finished, strict=True):
            key = key_of(row["clip"])
            with h5py.File(clip_file, "r", locking=False) as file:
                file.copy(
                    file[key],
                    shard.require_group(key.rsplit("/", 1)[0]),
                    name=key.rsplit("/", 1)[1],
                )
                digest.update(f"{key}{file.attrs['pixels']}".encode())
            shard[key].attrs.update(
                {
                    "clip": row["clip"],
                    "source": os.path.basename(row["path"]),
                    "sha256": row["sha256"],
                }
            )
    shutil.rmtree(partial)
    return digest.hexdigest()[:16]


def _append_all(file: h5py.File, key: str, items: Iterator[np.ndarray], coding: Codec) -> int:
    """Append a clip's arrays to a new dataset, and note the digest of its pixels; returns their number."""
    digest, block, data = hashlib.sha256(), [], None
    for item in items:
        if data is None:
            data = coding.create(file, key, item.shape)
        block.append(item)
        if len(block) == BLOCK:
            digest.update(coding.append(data, np.stack(block)))
            block.clear()
    if block:
        digest.update(coding.append(data, np.stack(block)))
    file.attrs["pixels"] = digest.hexdigest()
    return 0 if data is None else len(data)
