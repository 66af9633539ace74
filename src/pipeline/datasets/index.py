"""The tables of a data set: one row per clip, with its frames counted by decoding it.

Each shard's clips are examined by a job of its own, so that one changed video costs one shard.
`merge` joins the shards for the whole set or a subset of a split.
"""

import csv
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from itertools import repeat
from pathlib import Path

from pipeline import files
from pipeline.datasets.clips import Clip, ClipSet
from pipeline.errors import PipelineError, remake, require
from pipeline.jobs.progress import Progress
from pipeline.video.decode import probe

# Columns of the index; that of a whole set has one more for each split.
COLUMNS = [
    "clip",
    "class",
    "label",
    "group",
    "shard",
    "path",
    "sha256",
    "frames",
    "width",
    "height",
]
# Columns of the table of an examined shard.
EXAMINED = ["clip", "path", "sha256", "frames", "width", "height", "problem"]
# Columns that hold integers.
NUMBERS = ("label", "frames", "width", "height")


def examine(
    clips: list[Clip], paths: dict[str, str], accept_damaged: list[str], workers: int = 1
) -> list[dict]:
    """Decode each clip to its end, `workers` at a time, and return a row of EXAMINED per clip.

    `paths` are those of the videos by clip id; `accept_damaged` are the ids of clips that may be
    damaged. A clip that cannot be used is no error here: its row says why as 'problem', and
    `merge` refuses it.
    """
    progress = Progress("examine", len(clips), "clips")
    accepted = [clip.id in accept_damaged for clip in clips]
    rows = []
    with ThreadPoolExecutor(workers) as pool:
        for row in pool.map(_examine_clip, clips, repeat(paths), accepted):
            rows.append(row)
            progress.update(1, row["clip"])
    progress.close()
    return rows


def merge(clip_set: ClipSet, clips: list[Clip], examined: dict[str, list[dict]]) -> list[dict]:
    """Return a row of COLUMNS and of the clip's splits per clip, in the order of `clips`.

    `clips` are some or all clips of `clip_set`; `examined` are the rows of EXAMINED by shard.

    Raises PipelineError with one line per clip that has a problem or was not examined.
    """
    row_by_clip = {
        row["clip"]: {**row, "shard": shard} for shard, rows in examined.items() for row in rows
    }
    rows = [row_by_clip.get(clip.id) or _not_examined(clip_set, clip) for clip in clips]
    require([row["problem"] for row in rows if row["problem"]])
    labels = {class_name: label for label, class_name in enumerate(clip_set.classes)}
    return [
        {
            **row,
            "class": clip.class_name,
            "label": labels[clip.class_name],
            "group": clip.group,
            **clip.splits,
        }
        for clip, row in zip(clips, rows, strict=True)
    ]


def write(path: str | Path, rows: Iterable[dict], columns: list[str]) -> None:
    """Write a table as CSV, complete or not at all.

    Of each row the given columns are written; one that the row lacks stays empty.
    """
    with (
        files.replacing(path) as temporary,
        open(temporary, "w", newline="", encoding="utf-8") as file,
    ):
        writer = csv.DictWriter(
            file, columns, restval="", extrasaction="ignore", lineterminator="\n"
        )
        writer.writeheader()
        writer.writerows(rows)


def read(path: str | Path, columns: list[str] = COLUMNS) -> list[dict]:
    """Return the rows of a table, with integers in the columns NUMBERS.

    Raises PipelineError when the table does not start with `columns`.
    """
    try:
        with open(path, newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            header, rows = reader.fieldnames or [], list(reader)
    except (UnicodeDecodeError, csv.Error):
        header, rows = [], []
    if header[: len(columns)] != columns:
        raise PipelineError(f"{path}: not a table of this program; {remake(path)}")
    return [{**row, **{key: int(row[key]) for key in NUMBERS if row.get(key)}} for row in rows]


def class_names(rows: list[dict]) -> list[str]:
    """Return the classes of rows of the index in the order of their labels."""
    class_by_label = {row["label"]: row["class"] for row in rows}
    return [class_by_label[label] for label in sorted(class_by_label)]


def check_classes(rows: list[dict], classes: list[str]) -> None:
    """Check that the labels of rows of the index number `classes`, the classes of a model.

    Raises PipelineError for the first row that has another label.
    """
    for row in rows:
        label, class_name = row["label"], row["class"]
        if label >= len(classes) or classes[label] != class_name:
            raise PipelineError(
                f"clip '{row['clip']}' has label {label}, but class '{class_name}' is not number "
                f"{label} of the model's classes; run snakemake again, which trains it anew"
            )


def _examine_clip(clip: Clip, paths: dict[str, str], accept_damage: bool) -> dict:
    """Return the row of EXAMINED of one clip."""
    path = paths[clip.id]
    try:
        video = probe(path, accept_damage)
        digest = files.digest(path)
    except PipelineError as error:
        return {"clip": clip.id, "path": path, "problem": str(error)}
    return {"clip": clip.id, "path": path, "sha256": digest, **video, "problem": ""}


def _not_examined(clip_set: ClipSet, clip: Clip) -> dict:
    """Return a row that says that the clip was not examined."""
    return {
        "problem": f"set '{clip_set.name}': clip '{clip.id}' was not examined; delete "
        f"results/{clip_set.name}/index and run snakemake again"
    }
