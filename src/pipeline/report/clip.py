"""One clip of an HDF5 file: where it is, and how it is found."""

import difflib
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import h5py

from pipeline.errors import PipelineError
from pipeline.storage import attributes
from pipeline.storage.keys import id_of, key_of


def kind_of(file: h5py.File) -> str:
    """What the file holds, one of `storage.layout.ABOUT`: frames, flow, groups, scores ..."""
    return attributes.read(file)["format"].removeprefix("pipeline/")


def clip_ids(file: h5py.File) -> list[str]:
    """Ids of all clips of a file, in its order."""
    if kind_of(file) == "scores":
        return list(file["clips"].asstr())
    return [
        id_of(f"{key}/{name}")
        for key, group in file.items()
        if isinstance(group, h5py.Group)
        for name in group
    ]


# Kinds of files without clips, which are shown as a whole.
WHOLE = ("codebook", "svm", "trajectories")


@dataclass
class Clip:
    """A clip of an open file: its id, and its index among the file's clips.

    Of a kind of WHOLE it is the whole file.
    """

    file: h5py.File
    id: str
    index: int = 0

    @cached_property
    def kind(self) -> str:
        return kind_of(self.file)

    @cached_property
    def settings(self) -> dict:
        """The settings that the file was made with."""
        return json.loads(self.file.attrs["settings"])

    @cached_property
    def data(self) -> h5py.Dataset:
        """The clip's own dataset.

        A file of scores has clips in rows: there it is the logits of all clips, or their scores.
        """
        if self.kind == "trajectories":
            return self.file["trajectories"]
        if self.kind != "scores":
            return self.file[key_of(self.id)]
        return self.file["logits" if "logits" in self.file else "scores"]

    @cached_property
    def classes(self) -> list[str]:
        """Names of all classes in the order of their labels; groups, scores and SVMs know them."""
        if self.kind in ("scores", "svm"):
            return list(self.file["classes"].asstr())
        return attributes.read(self.file)["classes"]

    @cached_property
    def label(self) -> int:
        """The true class, from 0; only groups and scores know it."""
        if self.kind == "scores":
            return int(self.file["labels"][self.index])
        return int(self.data.attrs["label"])

    @cached_property
    def class_name(self) -> str:
        if self.kind in WHOLE:
            return ""
        if self.kind in ("groups", "scores"):
            return self.classes[self.label]
        return self.id.split("/")[0]


def whole_file(file: h5py.File) -> Clip:
    """A file of a kind of WHOLE as a clip: it bears the name of its video, or its own."""
    source = attributes.read(file).get("source")
    return Clip(file, str(source) if source else Path(file.filename).name)


def find_clip(file: h5py.File, wanted: str | None = None) -> Clip:
    """The clip with an id, an HDF5 path, or a bare name; without `wanted` the first of the file.

    Raises PipelineError that names the nearest clips, or all that bear the name.
    """
    ids = clip_ids(file)
    if not ids:
        raise PipelineError(f"{file.filename}: there are no clips in it")
    if wanted is None:
        return Clip(file, ids[0])
    matches = [i for i, clip in enumerate(ids) if wanted.strip("/") in (clip, key_of(clip))]
    matches = matches or [i for i, clip in enumerate(ids) if wanted == _bare_name(clip)]
    if len(matches) == 1:
        return Clip(file, ids[matches[0]], matches[0])
    if matches:
        raise PipelineError(
            f"{file.filename}: {len(matches)} clips are named '{wanted}', say which: "
            + ", ".join(ids[i] for i in matches)
        )
    near = _nearest_clips(ids, wanted)
    raise PipelineError(
        f"{file.filename}: there is no clip '{wanted}' in it; "
        + (f"the nearest: {', '.join(near)}" if near else f"its first is {ids[0]}")
    )


def _nearest_clips(ids: list[str], wanted: str) -> list[str]:
    """Up to three clips that are spelled like `wanted`, ignoring case."""
    spelled = {(clip if "/" in wanted else _bare_name(clip)).casefold(): clip for clip in ids}
    close = difflib.get_close_matches(wanted.casefold(), spelled, n=3, cutoff=0.5)
    return [spelled[name] for name in close]


def _bare_name(clip: str) -> str:
    """'Run/v_Run_g01_c01' -> 'v_Run_g01_c01'."""
    return clip.split("/")[-1]
