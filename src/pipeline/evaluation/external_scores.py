"""Files of scores that other programs wrote: clips find each other by name, classes by name or by the clips' labels."""

import zipfile
from collections import Counter
from dataclasses import replace
from pathlib import Path, PurePosixPath

import h5py
import numpy as np

from pipeline.errors import PipelineError, first_line
from pipeline.evaluation.score_files import Scores, checked, read_scores

CLIPS, LABELS, CLASSES = ("clips", "names", "vn_idt"), ("labels", "gt_idt"), ("classes",)
SCORES = ("scores", "scores_idt")
FORMS = ".h5, .npz and MATLAB .mat files with 'scores' (clips x classes), 'clips' or 'names', and 'labels' from 0"


def read(path: str | Path, name: str | None = None) -> Scores:
    """Scores of a file that this or another program wrote; `name`: of the array in it, where that is not 'scores'.

    Classes are empty where the file does not name them, as a .mat of `scores_idt`, `vn_idt` and `gt_idt` (from 1) does not.
    Raises PipelineError when the file is none of FORMS, or holds a value that is no number.
    """
    if name is None and Path(path).suffix == ".h5" and _ours(path):
        return read_scores(path)
    arrays = _arrays(path)
    names, labels, classes = (_first(arrays, keys) for keys in (CLIPS, LABELS, CLASSES))
    values = arrays.get(name) if name else _first(arrays, SCORES)
    if names is None or labels is None or values is None:
        wanted = f"'{name}'" if name else "scores"
        raise PipelineError(
            f"{path}: {wanted}, names and labels of clips are wanted, and it holds "
            f"{', '.join(sorted(arrays)) or 'nothing'}; what can be read are {FORMS}"
        )
    names, labels = (
        [_text(value) for value in names.ravel()],
        labels.ravel().astype(int) - ("gt_idt" in arrays),
    )
    if values.ndim != 2 or not len(values) == len(names) == len(labels):
        raise PipelineError(
            f"{path}: scores of shape {values.shape} do not fit {len(names)} names and {len(labels)} "
            "labels; write a row a clip and a column a class"
        )
    classes = [] if classes is None else [_text(value) for value in classes.ravel()]
    if (
        classes
        and len(classes) != values.shape[1]
        or not 0 <= labels.min() <= labels.max() < values.shape[1]
    ):
        raise PipelineError(
            f"{path}: {values.shape[1]} columns of scores for {len(classes) or labels.max() + 1} classes; "
            "write a column for each class"
        )
    return checked(Scores(names, labels, classes, values.astype(np.float64)), path)


def of_clips(found: Scores, rows: list[dict], classes: list[str], path: str) -> np.ndarray:
    """(rows, classes) scores of the clips of an index, in its order and with its `classes`; other clips are left out.

    Raises PipelineError that lists the clips which are missing or doubled in the file, or of another class there.
    """
    wanted = Scores(
        [row["clip"] for row in rows],
        np.array([row["label"] for row in rows]),
        classes,
        np.zeros(0),
    )
    return matched(found, wanted, path).values


def matched(found: Scores, wanted: Scores, path: str) -> Scores:
    """`found` with the clips of `wanted`, in its order, and the columns in the order of its classes.

    Clips are matched by name, ignoring case, folders (unless both name them) and endings. Raises PipelineError that lists
    what does not match.
    """
    folders = all("/" in name for name in [*found.clips, *wanted.clips])
    keys, asked = ([_key(name, folders) for name in clips] for clips in (found.clips, wanted.clips))
    for where, names, clips in (
        (f"{path}: ", keys, found.clips),
        ("what scores are wanted of: ", asked, wanted.clips),
    ):
        often = {key for key, count in Counter(names).items() if count > 1}
        doubled = [clip for key, clip in zip(names, clips, strict=True) if key in often]
        if doubled:
            raise PipelineError(
                f"{where}clips stand twice: {', '.join(doubled)}; keep one row each"
            )
    place = {key: number for number, key in enumerate(keys)}
    missing = [name for name, key in zip(wanted.clips, asked, strict=True) if key not in place]
    if missing:
        raise PipelineError(
            f"{path}: {len(missing)} of {len(asked)} clips have no scores: {', '.join(missing)}; add their "
            "rows, or name the file of this split"
        )
    order = np.array([place[key] for key in asked])
    labels = found.labels[order]
    if found.classes and wanted.classes:
        absent = sorted(set(wanted.classes) ^ set(found.classes))
        if absent:
            raise PipelineError(
                f"{path}: classes differ from those wanted: {', '.join(absent)}; make it for the same set"
            )
        columns = np.array([found.classes.index(name) for name in wanted.classes])
    else:  # the clips say which of its columns is which class: public files have classes in other orders
        columns = _columns_by_label(labels, wanted, found.values.shape[1], path)
    wrong = np.flatnonzero(columns[wanted.labels] != labels)
    if len(wrong):
        raise PipelineError(
            f"{path}: clip '{wanted.clips[wrong[0]]}' is of another class there; make it from the same "
            "lists"
        )
    return replace(wanted, values=found.values[order][:, columns])


def _file_and_array(text: str) -> tuple[str, str | None]:
    """'scores.npz:rgb' is the array 'rgb' of 'scores.npz', unless there is a file of that whole name."""
    file, colon, array = text.rpartition(":")
    return (file, array) if colon and not Path(text).exists() else (text, None)


def _columns_by_label(labels: np.ndarray, wanted: Scores, count: int, path: str) -> np.ndarray:
    """The column of each class, out of the `labels` that a file gives the wanted clips."""
    number = len(wanted.classes) or count
    pairs = set(zip(wanted.labels.tolist(), labels.tolist(), strict=True))
    columns = dict(pairs)
    if number != count or not len(pairs) == len(columns) == len(set(columns.values())):
        raise PipelineError(
            f"{path}: its labels part the clips into other classes, {count} against {number}; make it from "
            "the same lists"
        )
    silent = sorted(set(range(number)) - set(columns))
    if silent:
        names = ", ".join(
            wanted.classes[label] if wanted.classes else str(label) for label in silent
        )
        raise PipelineError(
            f"{path}: without clips of {names} nothing says which of its columns these classes are; add "
            "'classes', their names in the order of the columns"
        )
    return np.array([columns[label] for label in range(number)])


def _key(name: str, folders: bool) -> str:
    """What a clip is matched by: 'Run/v_Run_g01_c01.avi' is 'v_run_g01_c01', with its folder where that counts."""
    path = PurePosixPath(name.casefold())
    path = (
        path.with_suffix("")
        if path.suffix in (".avi", ".mp4", ".mkv", ".webm", ".mov", ".mpg")
        else path
    )
    return str(path) if folders else path.name


def _ours(path: str | Path) -> bool:
    """Whether a file says that this pipeline wrote it; a missing one is left to `fusion.read`, which says how to make it."""
    if not Path(path).is_file():
        return True
    try:
        with h5py.File(path, "r", locking=False) as file:
            return "format" in file.attrs
    except OSError:
        return True


def _arrays(path: str | Path) -> dict[str, np.ndarray]:
    """The arrays of a file by name; nothing is unpickled."""
    if not Path(path).is_file():
        raise PipelineError(f"{path}: there is no such file of scores; correct the path")
    try:
        match Path(path).suffix:
            case ".h5":
                with h5py.File(path, "r", locking=False) as file:
                    return {
                        key: data[...]
                        for key, data in file.items()
                        if isinstance(data, h5py.Dataset)
                    }
            case ".npz":
                with np.load(path, allow_pickle=False) as file:
                    return {key: file[key] for key in file.files}
            case ".mat":
                return _matlab(path)
    except NotImplementedError:
        raise PipelineError(
            f"{path}: a MATLAB file of version 7.3; save it again with -v7"
        ) from None
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        raise PipelineError(
            f"{path}: not a {Path(path).suffix} file that can be read ({first_line(error)}); what can be "
            f"read are {FORMS}"
        ) from error
    raise PipelineError(f"{path}: scores are read from {FORMS}; write it as one of them")


def _matlab(path: str | Path) -> dict[str, np.ndarray]:
    """The arrays of a MATLAB file. Raises NotImplementedError for version 7.3, ValueError for what is none."""
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    try:
        return {key: value for key, value in loadmat(path).items() if isinstance(value, np.ndarray)}
    except MatReadError as error:
        raise ValueError(str(error)) from error


def _first(arrays: dict[str, np.ndarray], keys: tuple[str, ...]) -> np.ndarray | None:
    return next((arrays[key] for key in keys if key in arrays), None)


def _text(value) -> str:
    """A name as text: HDF5 gives bytes, MATLAB an array of one."""
    if isinstance(value, np.ndarray):
        value = value.item() if value.size == 1 else ""
    return value.decode() if isinstance(value, bytes) else str(value)
