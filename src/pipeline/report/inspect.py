"""What a whole HDF5 file of the pipeline holds, as lines of text."""

import json
import textwrap
from contextlib import suppress
from pathlib import Path

import h5py
import numpy as np

from pipeline.errors import PipelineError, listed
from pipeline.files import require_intact
from pipeline.report.clip import clip_ids, kind_of
from pipeline.report.encodings import LINES
from pipeline.report.kinds import HDF5, what_is
from pipeline.report.layout import (
    FEW,
    bytes_text,
    count_text,
    dataset_row,
    dataset_size,
    facts_lines,
    size_texts,
    table_lines,
)
from pipeline.report.trajectories import trajectory_lines
from pipeline.storage import attributes
from pipeline.storage.damage import UNREADABLE
from pipeline.storage.foreign import require_whole
from pipeline.storage.layout import ABOUT
from pipeline.storage.reader import open_checked

# How an error about another file ends.
WANTED = "name a file of a run: an .h5 file, such as flow/000.h5, or the .pt file of a network"


def open_file(path: str | Path) -> h5py.File:
    """A file of any kind that the pipeline wrote; raises PipelineError for all other paths.

    A file that takes something from other files is none. Errors about a file of another kind say
    what it is, and never advise to move or delete it.
    """
    what = what_is(path)
    if what != HDF5:
        # One that was damaged since the pipeline wrote it is told as that.
        if Path(path).is_file():
            require_intact(path)
        raise PipelineError(f"{path}: this is {what}; {WANTED}")
    _require_own(path)
    file = open_checked(path)
    require_whole(file)
    return file


def _require_own(path: str | Path) -> None:
    """Refuse an HDF5 file of another program; what cannot be opened is left to `open_checked`."""
    with suppress(*UNREADABLE), h5py.File(path, "r", locking=False) as file:
        kind, names = str(attributes.read(file).get("format", "")), list(file)
        if kind not in {f"pipeline/{name}" for name in ABOUT}:
            held = f"which holds {listed(names, 3)}" if names else "which is empty"
            of = f"of kind {kind}" if kind else f"of another program, {held}"
            raise PipelineError(f"{path}: this is an HDF5 file {of}; {WANTED}")


def describe(file: h5py.File, width: int = 80, everything: bool = False) -> list[str]:
    """Lines about a file: what it is, its attributes and settings, and its tree with sizes.

    Long lists of clips and names are cut unless `everything` is wanted.
    """
    facts = {key.replace("_", " "): value for key, value in attributes.read(file).items()}
    about, settings = facts.pop("about"), json.loads(facts.pop("settings"))
    return [
        file.filename,
        "",
        *textwrap.wrap(about, width),
        "",
        *facts_lines(facts, width, everything=everything),
        "",
        "settings",
        *facts_lines(settings, width, "  "),
        "",
        *_tree_lines(file, width, everything),
        *_more_lines(file, width, everything),
    ]


def _more_lines(file: h5py.File, width: int, everything: bool) -> list[str]:
    """What the numbers of a file without clips say, where there is more to say."""
    more = (LINES | {"trajectories": trajectory_lines}).get(kind_of(file))
    return ["", *more(file, width, everything)] if more else []


def _tree_lines(file: h5py.File, width: int, everything: bool) -> list[str]:
    """Classes with their clips, other datasets, and the totals, in columns."""
    class_count = sum(isinstance(item, h5py.Group) for item in file.values())
    few = None if everything else FEW if class_count <= 10 else 1
    rows, total, shown = [("", "", "on disk", "in memory", "ratio", "")], np.zeros(2, int), 0
    for key, item in file.items():
        # Clips lie in a group for each class.
        if isinstance(item, h5py.Group):
            clips = [(f"  {name}", data) for name, data in item.items()]
            size = sum((dataset_size(data) for _, data in clips), np.zeros(2, int))
            rows.append((f"{key}/", count_text(len(clips), "clip"), *size_texts(size), ""))
            rows += [dataset_row(*clip) for clip in clips[:few]]
            shown += len(clips[:few])
        else:
            rows.append(dataset_row(key, item, everything))
            size = dataset_size(item)
        total += size
    count = len(clip_ids(file))
    name = f"total of {count_text(class_count, 'class')}" if class_count else "total"
    rows.append((name, count_text(count, "clip") if count else "", *size_texts(total), ""))
    note = (
        f"The file takes {bytes_text(Path(file.filename).stat().st_size)} with HDF5's own tables."
    )
    if not everything and (not class_count or shown < count):
        note += f" {shown} of {count} clips are shown;" if class_count else " Long lists are cut;"
        note += " --all shows all."
    return [*table_lines(rows, "<<>>>", width), "", *textwrap.wrap(note, width)]
