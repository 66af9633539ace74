"""HDF5 files: one a shard of clips, one dataset a clip, with attributes that say what they are and what made them.

    /                          format, schema, about, settings, code, made_with, coding; of flow also solver
    /Archery/                  one group a class
    /Archery/v_Archery_g01_c01 (frames, H, W, 3) or (fields, 2, H, W) uint8, in one of `codings`; of the other kinds the
                               clip's one array, float32; clip, source, sha256

Names that HDF5 or a shell would mangle are written %XX (`datasets.clips.key_of`). Files are written under a temporary name
and renamed when complete.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np

from pipeline.codings import PLAIN, Coding
from pipeline.datasets.clips import key_of
from pipeline.errors import PipelineError, remake
from pipeline.files import replacing

SCHEMA = 1  # raise it when the layout of a file changes: readers refuse another
ABOUT = {
    "frames": "Decoded video frames, one dataset a clip: (frame, row, column, RGB), uint8.",
    "flow": "TV-L1 optical flow, one dataset a clip: (field, x or y, row, column), uint8. Field t is the displacement "
            "from frame t to frame t + 1; pixels = code * 2 * bound / 255 - bound, bound in the settings; +x is right, "
            "+y is down.",
    "groups": "Classes of each training position in the teacher's order, likeliest first, one dataset a clip: "
              "(position, rank), the label's number from 0 (attribute 'classes'). Group k is the first k of a row, the "
              "true class in the place of the last where it is not among them.",
    "scores": "Scores of the test clips, a row a clip: 'logits' (clip, instant, class) as the network gives them, where of "
              "several crops each has all instants, one crop after the other; 'scores' (clip, class) their summary over "
              "instants and crops, 'clips', 'labels' (from 0), 'classes'. Trajectories have no instants: their 'scores' are "
              "decision values.",
    "trajectories": "Improved dense trajectories of a clip, (trajectory, column), float32, columns as the original program "
                    "prints them: frame of the end, mean x and y, their deviations, path length, scale, relative x, y and "
                    "t; then shape (30), HOG (96), HOF (108), MBHx (96) and MBHy (96).",
    "samples": "A sample of each clip's improved dense trajectories, one dataset a clip: (trajectory, column), float32, "
               "columns as in files of kind trajectories.",
    "codebook": "Of each descriptor of trajectories: 'axes' (d, D) of the principal half of its values less their 'mean', "
                "and a mixture of Gaussians in them: 'weights' (K,), 'means' and 'variances' (K, d), each named "
                "<descriptor>_<what>.",
    "fisher": "Fisher vectors of trajectories, one dataset a clip: (value,), float32; by descriptor, by mean and variance, "
              "by component. All zero where a clip has no trajectories.",
    "svm": "One-versus-rest linear classifiers of Fisher vectors: 'weights' (class, value), 'bias' (class,), 'classes'.",
}
PER_FRAME = {"frames": 0, "flow": 1}  # kinds with an item a frame, but for so many
BLOCK = 30  # frames or fields appended at a time, whole chunks: a clip's memory does not grow with its length
OPEN = 128  # files of a kind that are open at a time in a process, of the 1024 that it may have


@contextmanager
def create(path: str | Path, kind: str, settings: dict, code: str, **attributes) -> Iterator[h5py.File]:
    """A new file of a `kind` of ABOUT, complete or not there at all: it gets its name when the block ends well."""
    with replacing(path) as temporary, h5py.File(temporary, "w", locking=False) as file:
        file.attrs.update({"format": f"pipeline/{kind}", "schema": SCHEMA, "about": ABOUT[kind], "code": code,
                           "settings": json.dumps(settings, sort_keys=True), **attributes})
        yield file


def open_checked(path: str | Path, kind: str | None = None) -> h5py.File:
    """Open a file for reading; raises PipelineError when it is missing, broken, foreign, or of another kind or schema."""
    if not Path(path).is_file():
        raise PipelineError(f"{path}: there is no such file; make it with: snakemake --cores all '{path}'")
    cure = f"if the pipeline made it, {remake(path)}"
    try:
        file = h5py.File(path, "r", locking=False, rdcc_nbytes=0)  # no chunk is asked for twice
    except OSError as error:
        raise PipelineError(f"{path}: not an HDF5 file, or cut short ({error}); {cure}") from error
    found, schema = str(file.attrs.get("format", "")), file.attrs.get("schema")
    wanted = [f"pipeline/{kind}"] if kind else [f"pipeline/{known}" for known in ABOUT]
    if found not in wanted:
        problem = f"not a file of kind {' or '.join(wanted)}" + (f" but {found}" if found else "")
    elif schema != SCHEMA:
        problem = f"written with schema {schema}, this program reads {SCHEMA}"
    else:
        return file
    file.close()
    raise PipelineError(f"{path}: {problem}; {cure}")


def write_shard(path: str | Path, kind: str, clips: list[dict], items: Callable[[dict], Iterator[np.ndarray]],
                settings: dict, code: str, made_with: str, kept: Callable[[dict], None] = lambda row: None,
                coding: Coding = PLAIN, **attributes: str) -> str:
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
        identity = json.dumps([row["clip"], row["sha256"], settings, code, SCHEMA, attributes], sort_keys=True)
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
                        expected := row["frames"] - PER_FRAME[kind]):
                    raise PipelineError(f"{row['path']}: {count} {kind} where the index, which counted "
                                        f"{row['frames']} frames, wants {expected}; if the video has changed, run "
                                        "snakemake again, else report this")
        finished.append(clip_file)
    digest = hashlib.sha256()
    with create(path, kind, settings, code, made_with=made_with, **attributes) as shard:
        for row, clip_file in zip(clips, finished, strict=True):
            key = key_of(row["clip"])
            with h5py.File(clip_file, "r", locking=False) as file:
                file.copy(file[key], shard.require_group(key.rsplit("/", 1)[0]), name=key.rsplit("/", 1)[1])
                digest.update(f"{key}{file.attrs['pixels']}".encode())
            shard[key].attrs.update({"clip": row["clip"], "source": os.path.basename(row["path"]),
                                     "sha256": row["sha256"]})
    shutil.rmtree(partial)
    return digest.hexdigest()[:16]


def _append_all(file: h5py.File, key: str, items: Iterator[np.ndarray], coding: Coding) -> int:
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


def lacking(path: str | Path, row: dict) -> PipelineError:
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
            self._files.pop(next(iter(self._files)))  # HDF5 closes it with the last of its clips that is still in use
        try:
            found = h5py.h5d.open(file.id, key_of(row["clip"]).encode())  # in a third of the time of file[..]
        except KeyError:
            raise lacking(path, row) from None
        data = h5py.Dataset(found, readonly=True)
        if self.kind in PER_FRAME and len(data) != (expected := row["frames"] - PER_FRAME[self.kind]):
            raise PipelineError(f"{path}: clip '{row['clip']}' has {len(data)} {self.kind} where the index, which counted "
                                f"{row['frames']} frames, wants {expected}; {remake(path)}")
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
                if Coding.of(settings, self.kind).lossless:
                    settings["store"] = {self.kind: "lossless"}  # whichever: the pixels are the same
                making = {"solver": str(file.attrs.get("solver", "")), **settings}
            makings.setdefault(json.dumps(making, sort_keys=True), []).append(path)
        if len(makings) > 1:
            most, *others = sorted(makings, key=lambda making: -len(makings[making]))
            raise PipelineError.from_list([
                f"{path}: made otherwise than {makings[most][0]} and {len(makings[most]) - 1} more: "
                f"{_differences(json.loads(other), json.loads(most))}; {remake(path)}"
                for other in others for path in makings[other]])

    def __getstate__(self) -> dict:
        return {**self.__dict__, "_files": {}, "_owner": 0}
