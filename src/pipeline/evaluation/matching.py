"""Scores of one file brought to the clips and classes of another.

Clips are matched by name. Classes are matched by name where both sides name them, else by the
labels of the clips: public score files have classes in other orders.
"""

from collections import Counter
from dataclasses import replace
from pathlib import PurePosixPath
from unicodedata import normalize

import numpy as np

from pipeline.errors import PipelineError, listed
from pipeline.evaluation.score_files import Scores

VIDEO_SUFFIXES = (".avi", ".mp4", ".mkv", ".webm", ".mov", ".mpg")


def match_rows(scores: Scores, rows: list[dict], classes: list[str], path: str) -> np.ndarray:
    """Scores (rows, classes) of the clips of an index, in its order and with its `classes`.

    Other clips of the file at `path` are left out. Raises PipelineError that lists the clips which
    are missing or doubled in the file, or of another class there.
    """
    wanted = Scores(
        [row["clip"] for row in rows],
        np.array([row["label"] for row in rows]),
        classes,
        np.zeros(0),
    )
    return match_scores(scores, wanted, path).values


def match_scores(
    scores: Scores, wanted: Scores, path: str, wanted_path: str = "what scores are wanted of"
) -> Scores:
    """`scores` with the clips of `wanted`, in its order, and the columns in that of its classes.

    Clips are matched by name, ignoring case and endings, and those outer folders that not all
    names have.
    `path` is the file of `scores`, `wanted_path` that of `wanted`, if it is one. Raises
    PipelineError that lists what does not match.
    """
    keys, wanted_keys = _keys(scores.clips, wanted.clips)
    _require_distinct(f"{path}: ", keys, scores.clips)
    _require_distinct(f"{wanted_path}: ", wanted_keys, wanted.clips)
    row_of_key = {key: row for row, key in enumerate(keys)}
    missing = [
        name for name, key in zip(wanted.clips, wanted_keys, strict=True) if key not in row_of_key
    ]
    if missing:
        raise PipelineError.of_names(
            f"{path}: {len(missing):,} of {len(wanted_keys):,} clips have no scores: "
            f"{listed(missing)}; add their rows, or name the file of this split",
            missing,
        )
    order = np.array([row_of_key[key] for key in wanted_keys])
    labels = scores.labels[order]
    if scores.classes and wanted.classes:
        columns = _columns_by_name(scores.classes, wanted.classes, path)
    else:
        columns = _columns_by_label(labels, wanted, scores.values.shape[1], path)
    wrong = np.flatnonzero(columns[wanted.labels] != labels)
    if len(wrong):
        raise PipelineError(
            f"{path}: clip '{wanted.clips[wrong[0]]}' is of another class there; make it from the "
            "same lists"
        )
    return replace(wanted, values=scores.values[order][:, columns])


def _require_distinct(where: str, keys: list[str], clips: list[str]) -> None:
    """Refuse clips whose names are the same once they are made `keys`."""
    counts = Counter(keys)
    doubled = [clip for key, clip in zip(keys, clips, strict=True) if counts[key] > 1]
    if doubled:
        raise PipelineError.of_names(
            f"{where}clips stand twice: {listed(doubled)}; keep one row each", doubled
        )


def _columns_by_name(classes: list[str], wanted: list[str], path: str) -> np.ndarray:
    """The column (wanted classes,) of each wanted class among the `classes` of a file."""
    absent = sorted(set(wanted) ^ set(classes))
    if absent:
        raise PipelineError.of_names(
            f"{path}: classes differ from those wanted: {listed(absent)}; make it for the same set",
            absent,
        )
    return np.array([classes.index(name) for name in wanted])


def _columns_by_label(labels: np.ndarray, wanted: Scores, count: int, path: str) -> np.ndarray:
    """The column (wanted classes,) of each class, out of the `labels` that a file gives the clips.

    `count` is the number of columns of the file.
    """
    number = len(wanted.classes) or count
    pairs = set(zip(wanted.labels.tolist(), labels.tolist(), strict=True))
    columns = dict(pairs)
    # Each class of ours must be one of the file's, and no two the same one.
    if number != count or not len(pairs) == len(columns) == len(set(columns.values())):
        raise PipelineError(
            f"{path}: its labels part the clips into other classes, {count} against {number}; make "
            "it from the same lists"
        )
    unseen = sorted(set(range(number)) - set(columns))
    if unseen:
        names = listed(
            [wanted.classes[label] if wanted.classes else str(label) for label in unseen]
        )
        raise PipelineError(
            f"{path}: without clips of {names} nothing says which of its columns these classes "
            "are; add 'classes', their names in the order of the columns"
        )
    return np.array([columns[label] for label in range(number)])


def _keys(names: list[str], wanted: list[str]) -> tuple[list[str], list[str]]:
    """What the clips `names` of a file and those `wanted` are matched by.

    Where the wanted ones are not all in the file, paths are cut to the depth that all have.
    """
    paths, wanted_paths = [_path(name) for name in names], [_path(name) for name in wanted]
    if not set(wanted_paths) <= set(paths):
        depth = min(len(path.parts) for path in [*paths, *wanted_paths])
        paths = [PurePosixPath(*path.parts[-depth:]) for path in paths]
        wanted_paths = [PurePosixPath(*path.parts[-depth:]) for path in wanted_paths]
    return [str(path) for path in paths], [str(path) for path in wanted_paths]


def _path(name: str) -> PurePosixPath:
    """The name of a clip as a path, without case and ending: of 'Run/v_Run.avi' it is 'run/v_run'.

    An accented letter may be one character or two, and Windows parts folders by backslashes.
    """
    path = PurePosixPath(normalize("NFC", name.casefold()).replace("\\", "/"))
    return path.with_suffix("") if path.suffix in VIDEO_SUFFIXES else path
