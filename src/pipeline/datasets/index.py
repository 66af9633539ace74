"""The tables of a set: one row a clip, its frames counted by decoding it, before any long job starts.

Each shard's clips are examined by a job of its own, so that one changed video costs one shard; `merge` puts them
together for the whole set or a part of a split, and refuses it when any clip is unreadable, naming them all.
"""

import csv
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pipeline import files
from pipeline.datasets.clips import Clip, ClipSet
from pipeline.errors import PipelineError, remake, require
from pipeline.jobs.progress import Progress
from pipeline.video.decode import probe

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
]  # + the splits
NUMBERS = ("label", "frames", "width", "height")
EXAMINED = ["clip", "path", "sha256", "frames", "width", "height", "problem"]


def examine(
    clips: list[Clip], paths: dict[str, str], accept_damaged: list[str], workers: int = 1
) -> list[dict]:
    """Decode each clip to its end; a row of EXAMINED each. What is wrong with a clip stands in its 'problem'."""
    progress = Progress("examine", len(clips), "clips")

    def one(clip: Clip) -> dict:
        path = paths[clip.id]
        try:
            found = probe(path, clip.id in accept_damaged)
            return {
                "clip": clip.id,
                "path": path,
                "sha256": files.digest(path),
                **found,
                "problem": "",
            }
        except PipelineError as error:
            return {"clip": clip.id, "path": path, "problem": str(error)}

    rows = []
    with ThreadPoolExecutor(workers) as pool:
        for row in pool.map(one, clips):
            rows.append(row)
            progress.update(1, row["clip"])
    progress.close()
    return rows


def merge(clip_set: ClipSet, clips: list[Clip], examined: dict[str, list[dict]]) -> list[dict]:
    """Rows of the index for `clips` of a set, in their order; `examined` by shard.

    Raises PipelineError with the problem of every clip that has one, and when a clip was not examined.
    """
    found = {
        row["clip"]: {**row, "shard": shard} for shard, rows in examined.items() for row in rows
    }
    wanted = [
        found.get(
            clip.id,
            {
                "problem": f"set '{clip_set.name}': clip '{clip.id}' was not examined; delete "
                f"results/{clip_set.name}/index and run snakemake again"
            },
        )
        for clip in clips
    ]
    require([row["problem"] for row in wanted if row["problem"]])
    labels = {class_name: label for label, class_name in enumerate(clip_set.classes)}
    return [
        {
            **row,
            "class": clip.class_name,
            "label": labels[clip.class_name],
            "group": clip.group,
            **clip.splits,
        }
        for clip, row in zip(clips, wanted, strict=True)
    ]


def write(path: str | Path, rows: list[dict], columns: list[str]) -> None:
    """Write a table, complete or not at all."""
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
    """Rows of a table, numbers as int. Raises PipelineError when it has other columns."""
    try:
        with open(path, newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            found, rows = reader.fieldnames or [], list(reader)
    except (UnicodeDecodeError, csv.Error):
        found, rows = [], []
    if found[: len(columns)] != columns:
        raise PipelineError(f"{path}: not a table of this program; {remake(path)}")
    return [{**row, **{key: int(row[key]) for key in NUMBERS if row.get(key)}} for row in rows]


def class_names(rows: list[dict]) -> list[str]:
    """Classes in the order of their labels."""
    by_label = {row["label"]: row["class"] for row in rows}
    return [by_label[label] for label in sorted(by_label)]


def check_classes(rows: list[dict], classes: list[str]) -> None:
    """Refuse rows whose labels do not number `classes`, those of a model."""
    for row in rows:
        if not (row["label"] < len(classes) and classes[row["label"]] == row["class"]):
            raise PipelineError(
                f"clip '{row['clip']}' has label {row['label']}, but class '{row['class']}' is not number "
                f"{row['label']} of the model's classes; run snakemake again, which trains it anew"
            )
