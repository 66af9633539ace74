"""Score files of other programs: .h5, .npz and MATLAB .mat files."""

import zipfile
from pathlib import Path

import h5py
import numpy as np

from pipeline.errors import PipelineError, first_line
from pipeline.evaluation.score_files import Scores, read_scores, require_finite

# Names of the arrays, ours or usual ones first, those of public IDT decision values last.
CLIPS, LABELS, CLASSES = ("clips", "names", "vn_idt"), ("labels", "gt_idt"), ("classes",)
SCORES = ("scores", "scores_idt")
FORMS = (
    ".h5, .npz and MATLAB .mat files with 'scores' (clips x classes), 'clips' or 'names', and "
    "'labels' from 0"
)


def read(path: str | Path, name: str | None = None) -> Scores:
    """Scores of a file that this or another program wrote, as float64.

    `name` is that of the array in it, where that is not 'scores'. Classes are empty where the file
    does not name them: a .mat file of `scores_idt`, `vn_idt` and `gt_idt` (labels from 1) does not.
    Raises PipelineError when the file is not one of FORMS, or holds a value that is no number.
    """
    if name is None and Path(path).suffix == ".h5" and _is_ours(path):
        return read_scores(path)
    arrays = _read_arrays(path)
    names, labels, classes = (_first_of(arrays, keys) for keys in (CLIPS, LABELS, CLASSES))
    values = arrays.get(name) if name else _first_of(arrays, SCORES)
    if names is None or labels is None or values is None:
        wanted = f"'{name}'" if name else "scores"
        raise PipelineError(
            f"{path}: {wanted}, names and labels of clips are wanted, and it holds "
            f"{', '.join(sorted(arrays)) or 'nothing'}; what can be read are {FORMS}"
        )
    names = [_text(value) for value in names.ravel()]
    # MATLAB counts classes from 1.
    labels = labels.ravel().astype(int) - ("gt_idt" in arrays)
    classes = [] if classes is None else [_text(value) for value in classes.ravel()]
    _check_shapes(path, values, names, labels, classes)
    return require_finite(Scores(names, labels, classes, values.astype(np.float64)), path)


def split_array_name(text: str) -> tuple[str, str | None]:
    """'scores.npz:rgb' is the array 'rgb' of 'scores.npz', unless a file has that whole name."""
    file, colon, array = text.rpartition(":")
    return (file, array) if colon and not Path(text).exists() else (text, None)


def _check_shapes(
    path: str | Path, values: np.ndarray, names: list[str], labels: np.ndarray, classes: list[str]
) -> None:
    """Refuse scores without a row for each clip and a column for each class."""
    if values.ndim != 2 or not len(values) == len(names) == len(labels):
        raise PipelineError(
            f"{path}: scores of shape {values.shape} do not fit {len(names)} names and "
            f"{len(labels)} labels; write a row a clip and a column a class"
        )
    columns = values.shape[1]
    if classes and len(classes) != columns or not 0 <= labels.min() <= labels.max() < columns:
        raise PipelineError(
            f"{path}: {columns} columns of scores for {len(classes) or labels.max() + 1} classes; "
            "write a column for each class"
        )


def _is_ours(path: str | Path) -> bool:
    """Whether a file says that this pipeline wrote it.

    A missing or broken one counts as ours: `read_scores` says how to make it.
    """
    if not Path(path).is_file():
        return True
    try:
        with h5py.File(path, "r", locking=False) as file:
            return "format" in file.attrs
    except OSError:
        return True


def _read_arrays(path: str | Path) -> dict[str, np.ndarray]:
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
                return _read_matlab(path)
    except NotImplementedError:
        raise PipelineError(
            f"{path}: a MATLAB file of version 7.3; save it again with -v7"
        ) from None
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        raise PipelineError(
            f"{path}: not a {Path(path).suffix} file that can be read ({first_line(error)}); what "
            f"can be read are {FORMS}"
        ) from error
    raise PipelineError(f"{path}: scores are read from {FORMS}; write it as one of them")


def _read_matlab(path: str | Path) -> dict[str, np.ndarray]:
    """The arrays of a MATLAB file.

    Raises NotImplementedError for version 7.3, ValueError for a file that is not MATLAB's.
    """
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    try:
        return {key: value for key, value in loadmat(path).items() if isinstance(value, np.ndarray)}
    except MatReadError as error:
        raise ValueError(str(error)) from error


def _first_of(arrays: dict[str, np.ndarray], keys: tuple[str, ...]) -> np.ndarray | None:
    """The array under the first of `keys` that there is."""
    return next((arrays[key] for key in keys if key in arrays), None)


def _text(value) -> str:
    """A name as text: HDF5 gives bytes, MATLAB an array of one."""
    if isinstance(value, np.ndarray):
        value = value.item() if value.size == 1 else ""
    return value.decode() if isinstance(value, bytes) else str(value)
