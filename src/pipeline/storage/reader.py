"""Read HDF5 files, checked: kind, schema, settings, and the number of frames per clip."""

import json
import os
from pathlib import Path

import h5py
import numpy as np

from pipeline.errors import PipelineError, remake
from pipeline.storage import layout
from pipeline.storage.codecs import Codec
from pipeline.storage.keys import key_of
from pipeline.storage.layout import ABOUT, PER_FRAME

OPEN = 128  # files of a kind that are open at a time in a process, of the 1024 that it may have


def open_checked(path: str | Path, kind: str | None = None) -> h5py.File:
    """Open a file for reading; raises PipelineError when it is missing, broken, foreign, or of another kind or schema."""
    if not Path(path).is_file():
        raise PipelineError(
            f"{path}: there is no such file; make it with: snakemake --cores all '{path}'"
        )
    cure = f"if the pipeline made it, {remake(path)}"
    try:
        file = h5py.File(path, "r", locking=False, rdcc_nbytes=0)  # no chunk is asked for twice
    except OSError as error:
        raise PipelineError(f"{path}: not an HDF5 file, or cut short ({error}); {cure}") from error
    found, schema = str(file.attrs.get("format", "")), file.attrs.get("schema")
    wanted = [f"pipeline/{kind}"] if kind else [f"pipeline/{known}" for known in ABOUT]
    if found not in wanted:
        problem = f"not a file of kind {' or '.join(wanted)}" + (f" but {found}" if found else "")
    elif schema != layout.SCHEMA:
        problem = f"written with schema {schema}, this program reads {layout.SCHEMA}"
    else:
        return file
    file.close()
    raise PipelineError(f"{path}: {problem}; {cure}")


def _differences(here: dict, there: dict, prefix: str = "") -> str:
    """Where two nested settings differ, such as 'flow.bound 5.0 (not 20.0)'."""
    found = []
    for key in sorted(here.keys() | there.keys()):
        a, b = here.get(key), there.get(key)
        if isinstance(a, dict) and isinstance(b, dict):
            found.append(_differences(a, b, f"{prefix}{key}."))
        elif a != b:
            found.append(f"{prefix}{key} {a} (not {b})")
    return ", ".join(part for part in found if part)


def read_all(path: str | Path, kind: str) -> dict[str, np.ndarray]:
    """The arrays of all clips of a file, by their keys."""
    found = {}

    def visit(key: str, node: h5py.Dataset | h5py.Group):
        if isinstance(node, h5py.Dataset):
            found[key] = node[...]

    with open_checked(path, kind) as file:
        file.visititems(visit)
    return found


def missing_clip_error(path: str | Path, row: dict) -> PipelineError:
    """What to say of a file without the clip of an index row."""
    return PipelineError(f"{path}: clip '{row['clip']}' is not in it; {remake(path)}")


class Shards:
    """Read-only clips of a folder of shards '000.h5' .., or of one file that holds them all.

    Files open at the first read, in the process that reads: HDF5 handles do not survive a fork into loader workers. OPEN of
    them stay open, those that were read last.
    """

    def __init__(self, path: str | Path, kind: str):
        self.path, self.kind = Path(path), kind
        self._files: dict[Path, h5py.File] = {}
        self._owner = 0

    def __call__(self, row: dict) -> h5py.Dataset:
        """The dataset of an index row's clip, for `codings` to read.

        Raises PipelineError when its file lacks it, or holds another number of frames or fields than the index wants.
        """
        if self._owner != os.getpid():
            self._files, self._owner = {}, os.getpid()
        path = self._file(row)
        file = self._files.pop(path, None) or open_checked(path, self.kind)
        self._files[path] = file  # the last of all
        if len(self._files) > OPEN:
            self._files.pop(
                next(iter(self._files))
            )  # HDF5 closes it with the last of its clips that is still in use
        try:
            found = h5py.h5d.open(
                file.id, key_of(row["clip"]).encode()
            )  # in a third of the time of file[..]
        except KeyError:
            raise missing_clip_error(path, row) from None
        data = h5py.Dataset(found, readonly=True)
        if self.kind in PER_FRAME and len(data) != (
            expected := row["frames"] - PER_FRAME[self.kind]
        ):
            raise PipelineError(
                f"{path}: clip '{row['clip']}' has {len(data)} {self.kind} where the index, which counted "
                f"{row['frames']} frames, wants {expected}; {remake(path)}"
            )
        return data

    def _file(self, row: dict) -> Path:
        return self.path if self.path.suffix == ".h5" else self.path / f"{row['shard']}.h5"

    def require_alike(self, rows: list[dict]) -> None:
        """Raise PipelineError when the files of `rows` were not all made by one solver with one set of settings.

        Pixels of two makings do not mean the same: a network that learns from a mix loses points, and nothing shows it. A
        lossy coding is part of the making.
        """
        makings: dict[str, list[Path]] = {}
        for path in sorted({self._file(row) for row in rows}):
            with open_checked(path, self.kind) as file:
                settings = json.loads(file.attrs["settings"])
                settings.pop("accept_damaged", None)  # a shard's own
                if Codec.of(settings, self.kind).lossless:
                    settings["store"] = {
                        self.kind: "lossless"
                    }  # whichever: the pixels are the same
                making = {"solver": str(file.attrs.get("solver", "")), **settings}
            makings.setdefault(json.dumps(making, sort_keys=True), []).append(path)
        if len(makings) > 1:
            most, *others = sorted(makings, key=lambda making: -len(makings[making]))
            raise PipelineError.from_list(
                [
                    f"{path}: made otherwise than {makings[most][0]} and {len(makings[most]) - 1} more: "
                    f"{_differences(json.loads(other), json.loads(most))}; {remake(path)}"
                    for other in others
                    for path in makings[other]
                ]
            )

    def __getstate__(self) -> dict:
        return {**self.__dict__, "_files": {}, "_owner": 0}
