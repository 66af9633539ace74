"""?"""

import json
import textwrap
from pathlib import Path

import h5py
import numpy as np

from pipeline.errors import PipelineError
from pipeline.report.clip import clip_ids
from pipeline.report.layout import (
    FEW,
    bytes_text,
    counted,
    dataset_row,
    dataset_size,
    facts_lines,
    readable,
    table_lines,
)
from pipeline.storage.reader import open_checked

# Files


def open_file(path: str | Path) -> h5py.File:
    """A file that the pipeline wrote, of any kind; raises PipelineError when it is none."""
    if Path(path).is_dir():
        raise PipelineError(f"{path}: this is a folder; name one of the .h5 files in it")
    if Path(path).is_file() and not h5py.is_hdf5(path):
        raise PipelineError(f"{path}: this is not an HDF5 file")
    return open_checked(path)


def describe(file: h5py.File, width: int = 80, everything: bool = False) -> list[str]:
    """Lines about a whole file: what it is, its attributes and settings, and its tree with sizes."""
    facts = {key.replace("_", " "): value for key, value in file.attrs.items()}
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
        *_tree(file, width, everything),
    ]


def _tree(file: h5py.File, width: int, everything: bool) -> list[str]:
    """Classes with their clips, other datasets, and the totals, in columns."""
    classes = sum(isinstance(item, h5py.Group) for item in file.values())
    few = None if everything else FEW if classes <= 10 else 1
    rows, total, shown = [("", "", "on disk", "in memory", "ratio", "")], np.zeros(2, int), 0
    for key, item in file.items():
        if isinstance(item, h5py.Group):
            clips = [(f"  {name}", data) for name, data in item.items()]
            size = sum((dataset_size(data) for _, data in clips), np.zeros(2, int))
            rows.append((f"{key}/", counted(len(clips), "clip"), *readable(size), ""))
            rows += [dataset_row(*clip) for clip in clips[:few]]
            shown += len(clips[:few])
        else:
            rows.append(dataset_row(key, item, everything))
            size = dataset_size(item)
        total += size
    count = len(clip_ids(file))
    name = f"total of {counted(classes, 'class')}" if classes else "total"
    rows.append((name, counted(count, "clip") if count else "", *readable(total), ""))
    last = (
        f"The file takes {bytes_text(Path(file.filename).stat().st_size)} with HDF5's own tables."
    )
    if not everything and (not classes or shown < count):
        last += f" {shown} of {count} clips are shown;" if classes else " Long lists are cut;"
        last += " --all shows all."
    return [*table_lines(rows, "<<>>>", width), "", *textwrap.wrap(last, width)]
