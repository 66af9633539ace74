"""The tables of a data set as CSV: one row per clip, and the columns that programs read."""

import csv
import io
from collections.abc import Iterable
from pathlib import Path

from pipeline import files
from pipeline.errors import PipelineError, first_line, listed, set_aside

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


def read(
    path: str | Path, columns: list[str] = COLUMNS, videos: str | Path | None = None
) -> list[dict]:
    """Return the rows of a table, with integers in the columns NUMBERS.

    Tables name videos inside the folder of the set's videos, wherever that lies; given `videos`,
    that folder, 'path' leads to the video.

    Raises PipelineError when the table does not start with `columns`, or is damaged.
    """
    content = files.read_intact(path)
    try:
        reader = csv.DictReader(io.StringIO(content.decode("utf-8"), newline=""), strict=True)
        header, rows = reader.fieldnames or [], list(reader)
        _check_table(header, rows, columns)
        for row in rows:
            row |= {key: int(row[key]) for key in NUMBERS if row.get(key)}
            if videos is not None:
                row["path"] = str(Path(videos) / row["path"])
    except (ValueError, csv.Error) as error:
        raise PipelineError(
            f"{path}: not a table of this program ({first_line(error)}); {set_aside(path)}"
        ) from error
    return rows


def _check_table(header: list[str], rows: list[dict], columns: list[str]) -> None:
    """Raise ValueError where a table does not start with `columns`, or a row is cut short."""
    if header[: len(columns)] != columns:
        raise ValueError(f"its columns are {listed(header) or 'none'}")
    for number, row in enumerate(rows, start=2):
        # DictReader fills a short row with None, and has what is too much under None.
        if None in row or None in row.values():
            raise ValueError(f"row {number} has another number of columns")


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
