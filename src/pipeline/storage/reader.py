"""Open HDF5 files and check what they are: kind, schema, settings, and the number of frames."""

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np

from pipeline.errors import PipelineError, set_aside
from pipeline.files import read_intact, reading, require_intact
from pipeline.storage import attributes, copies, layout
from pipeline.storage.codecs import Codec
from pipeline.storage.damage import broken, refuse_open_for_writing, require_end
from pipeline.storage.keys import key_of
from pipeline.storage.layout import ABOUT, PER_FRAME, flow_of

# How HDF5 files begin, and the byte behind it of files whose tables have checksums.
SIGNATURE, CHECKED_TABLES = b"\x89HDF\r\n\x1a\n", b"\x02"
# The byte of such files that holds flags, and the flag of one that a program writes to.
FLAGS, OPEN_FOR_WRITING = 11, 1
# Files that `Shards` keeps open at a time; a process may often have no more than 1024.
MAX_OPEN_FILES = 128


def open_checked(path: str | Path, kind: str | None = None) -> h5py.File:
    """Open a file of a `kind` of ABOUT, or of any kind, for reading.

    The file must be as it was written. Of frames and flow, which are large, the size is compared
    now, HDF5 checks its tables, and the module `decoding` the chunks that it reads; all other files
    are read whole.

    Raises PipelineError when it is missing, damaged, not the pipeline's, or of another kind or
    schema.
    """
    with reading(path), open(path, "rb") as file:
        head = file.read(FLAGS + 1)
    has_checksums = head[len(SIGNATURE) : len(SIGNATURE) + 1] >= CHECKED_TABLES
    if has_checksums and head[FLAGS:] and head[FLAGS] & OPEN_FOR_WRITING:
        refuse_open_for_writing(path)
    intact = require_intact(path, whole=kind not in PER_FRAME)
    if not intact and not (kind in PER_FRAME and has_checksums):
        require_end(path)
    with broken(path):
        # HDF5 needs no cache of chunks: no chunk is read twice.
        file = h5py.File(path, "r", locking=False, rdcc_nbytes=0)
        # All of them, so that damage is found here.
        found = attributes.read(file)
    problem = _problem(found, kind)
    if problem:
        file.close()
        raise PipelineError(f"{path}: {problem}; {set_aside(path)}")
    return file


@contextmanager
def opened(path: str | Path, kind: str) -> Iterator[h5py.File]:
    """Open a file as `open_checked` does; whatever a block cannot read in it is a PipelineError."""
    with open_checked(path, kind) as file, broken(path):
        yield file


def _problem(found: dict, kind: str | None) -> str:
    """Why a file with the attributes `found` is not a readable file of the pipeline's, of a `kind`
    or of any; '' if it is.
    """
    file_format, schema = str(found.get("format", "")), found.get("schema")
    accepted = [f"pipeline/{name}" for name in ([kind] if kind else ABOUT)]
    if file_format not in accepted:
        but = f" but {file_format}" if file_format else ""
        return f"not a file of kind {' or '.join(accepted)}{but}"
    if schema not in layout.READABLE:
        readable = " and ".join(map(str, layout.READABLE))
        return f"written with schema {schema}, this program reads {readable}"
    return ""


def read_all(path: str | Path, kind: str) -> dict[str, np.ndarray]:
    """Read the arrays of all clips of a file: {HDF5 path of the clip: array}."""
    arrays = {}

    def visit(key: str, node: h5py.Dataset | h5py.Group) -> None:
        if isinstance(node, h5py.Dataset):
            arrays[key] = node[...]

    with opened(path, kind) as file:
        file.visititems(visit)
    return arrays


def content_digest(path: str | Path, kind: str) -> str:
    """Return 16 hex digits over the arrays of a file and their paths, and over nothing else.

    Attributes, such as the id of the code that wrote the file, do not count.
    """
    digest = hashlib.sha256()
    for key, array in sorted(read_all(path, kind).items()):
        content = array.tobytes() if array.dtype.kind != "O" else repr(array.tolist()).encode()
        digest.update(f"{key} {array.dtype.str} {array.shape}\0".encode() + content)
    return digest.hexdigest()[:16]


def missing_clip_error(path: str | Path, row: dict) -> PipelineError:
    """The error to raise when a file lacks the clip of an index row."""
    return PipelineError(f"{path}: clip '{row['clip']}' is not in it; {set_aside(path)}")


class Shards:
    """Reads clips from a folder of shards, '000.h5' and so on, or from one file that holds all.

    A file is opened when it is first read, by the process that reads it, because HDF5 handles do
    not survive a fork into the workers of a loader. The MAX_OPEN_FILES that were read last stay
    open.
    """

    def __init__(self, path: str | Path, kind: str):
        self.path, self.kind = Path(path), kind
        # Open files, the one that was read last at the end.
        self._files: dict[Path, h5py.File] = {}
        # Id of the process that opened them.
        self._owner = 0

    def dataset(self, row: dict) -> h5py.Dataset:
        """The dataset of the clip of an index row, for the module `decoding` to read.

        Raises PipelineError when the file lacks the clip, or holds another number of frames or
        fields than the index wants.
        """
        path = self._path(row)
        file = self._open(path)
        key = key_of(row["clip"])
        try:
            # This takes a third of the time of `file[key]`.
            dataset = h5py.Dataset(h5py.h5d.open(file.id, key.encode()), readonly=True)
            # It reads the tables of the dataset.
            len(dataset)
        except Exception as error:
            raise self._unread_error(path, file, row, error) from error
        if self.kind in PER_FRAME:
            expected = row["frames"] - PER_FRAME[self.kind]
            if len(dataset) != expected:
                raise PipelineError(
                    f"{path}: clip '{row['clip']}' has {len(dataset)} {self.kind} where the index, "
                    f"which counted {row['frames']} frames, wants {expected}; {set_aside(path)}"
                )
        return dataset

    def _unread_error(
        self, path: Path, file: h5py.File, row: dict, error: Exception
    ) -> PipelineError:
        """The error to raise where the dataset of a clip cannot be opened."""
        with broken(path, f"clip '{row['clip']}'"):
            if key_of(row["clip"]) in file:
                raise error
        return missing_clip_error(path, row)

    def check_same_settings(self, rows: list[dict]) -> None:
        """Check that one solver with one set of settings made the files of all index rows.

        Pixels mean something else under other settings: a network that learns from a mix loses
        points of accuracy, and nothing shows it. Lossless codecs may be mixed, lossy ones may not;
        solvers of the same flow may be mixed.
        Raises PipelineError with a line for each file that differs from most of the others.
        """
        # Settings with solver, and the files that they made; 5 and 5.0 are equal.
        groups: list[tuple[dict, list[Path]]] = []
        for path in sorted({self._path(row) for row in rows}):
            settings = self._settings_and_solver(path)
            same = next(
                (paths for other, paths in groups if _in_terms_of(other, settings) == other), None
            )
            if same is None:
                groups.append((settings, [path]))
            else:
                same.append(path)
        groups.sort(key=lambda group: -len(group[1]))
        if len(groups) <= 1:
            return
        (common, (first, *more)), *others = groups
        raise PipelineError.from_list(
            [
                f"{path}: made otherwise than {first} and {len(more)} more: "
                f"{_differences(_in_terms_of(common, other), common)}; {set_aside(path)}"
                for other, paths in others
                for path in paths
            ]
        )

    def _settings_and_solver(self, path: Path) -> dict:
        """The settings and the solver of a file, without what may differ between shards."""
        with opened(path, self.kind) as file:
            found = attributes.read(file)
            settings, solver = json.loads(found["settings"]), found.get("solver", "")
        _check_record(path, settings)
        # The damaged clips of this shard alone.
        settings.pop("accept_damaged", None)
        if Codec.from_settings(settings, self.kind).lossless:
            # The pixels are the same in all lossless codecs.
            settings["store"] = {self.kind: "lossless"}
        return {"solver": solver, **settings}

    def _path(self, row: dict) -> Path:
        """The file that holds the clip of an index row."""
        return self.path if self.path.suffix == ".h5" else self.path / f"{row['shard']}.h5"

    def _open(self, path: Path) -> h5py.File:
        """An open file, opened by this process; closes the one that was not read for longest."""
        if self._owner != os.getpid():
            self._files, self._owner = {}, os.getpid()
        file = self._files.pop(path, None)
        if file is None:
            file = open_checked(copies.copied(path), self.kind)
        self._files[path] = file
        if len(self._files) > MAX_OPEN_FILES:
            # HDF5 closes the file with the last of its datasets that is still in use.
            self._files.pop(next(iter(self._files)))
        return file

    def __getstate__(self) -> dict:
        """What is sent to another process: no open files."""
        return {**self.__dict__, "_files": {}, "_owner": 0}


def _in_terms_of(other: dict, settings: dict) -> dict:
    """Settings of `_settings_and_solver`, with the solver of others where the flow is the same."""
    if flow_of(settings["solver"]) != flow_of(other["solver"]):
        return settings
    same = {"solver": other["solver"]}
    if "backend" in other.get("flow", {}) and "backend" in settings.get("flow", {}):
        # The setting chose the solver, and is no more than that.
        same["flow"] = settings["flow"] | {"backend": other["flow"]["backend"]}
    return settings | same


def _check_record(path: Path, settings: dict) -> None:
    """Check that the record beside a file states its `settings`: a file that was copied over
    another one keeps the other's record, and a result would state that.
    """
    record = path.with_suffix(".json")
    if not record.is_file():
        return
    try:
        stated = json.loads(read_intact(record))["settings"]
    except (ValueError, TypeError, KeyError):
        # What reads the record says so.
        return
    if stated != settings:
        raise PipelineError(
            f"{path}: made with {_differences(settings, stated)} by its record {record}: one of "
            f"them was copied from elsewhere; {set_aside(path)}"
        )


def _differences(here: dict, there: dict, prefix: str = "") -> str:
    """Where two nested settings differ, such as 'flow.bound 5.0 (not 20.0)'."""
    parts = []
    for key in sorted(here.keys() | there.keys()):
        a, b = here.get(key), there.get(key)
        if isinstance(a, dict) and isinstance(b, dict):
            parts.append(_differences(a, b, f"{prefix}{key}."))
        elif a != b:
            parts.append(f"{prefix}{key} {a} (not {b})")
    return ", ".join(part for part in parts if part)
