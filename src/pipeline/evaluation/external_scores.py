"""Score files of other programs: .h5, .npz and MATLAB .mat files."""

import zipfile
from pathlib import Path
from unicodedata import category

import h5py
import numpy as np

from pipeline.errors import PipelineError, first_line, listed
from pipeline.evaluation.score_files import Scores, read_scores, require_finite
from pipeline.jobs import limits
from pipeline.storage import foreign

# Names of the arrays, ours or usual ones first, those of public IDT decision values last.
ROLES = {
    "clips": ("clips", "names", "vn_idt"),
    "labels": ("labels", "gt_idt"),
    "classes": ("classes",),
    "scores": ("scores", "scores_idt"),
}
FORMS = (
    ".h5, .npz and MATLAB .mat files with 'scores' (clips x classes), 'clips' or 'names', and "
    "'labels' from 0"
)
# What a file with each ending is, for people.
KINDS = {
    ".h5": "an HDF5 file",
    ".hdf5": "an HDF5 file",
    ".npz": "a .npz file",
    ".mat": "a .mat file",
}
# Results keep scores as float32.
LARGEST = float(np.finfo(np.float32).max)


def read(path: str | Path, name: str | None = None) -> Scores:
    """Scores of a file that this or another program wrote, as float64.

    `name` is that of the array in it, where that is not 'scores'. Classes are empty where the file
    does not name them: a .mat file of `scores_idt`, `vn_idt` and `gt_idt` (labels from 1) does not.
    The file is read by a process with limits, which takes 0.2 s to start, 0.4 s for a .mat file.
    Raises PipelineError when the file is not one of FORMS, or holds a value that is no number.
    """
    if not Path(path).is_file():
        raise PipelineError(
            f"{path}: there is no such file of scores; correct the path, or make it with snakemake"
        )
    if Path(path).suffix.lower() not in KINDS:
        raise PipelineError(f"{path}: scores are read from {FORMS}; write it as one of them")
    found = limits.call(read_here, path, name, cure=f"what can be read are {FORMS}")
    return Scores(found["clips"], found["labels"], found["classes"], found["values"])


def split_array_name(text: str) -> tuple[str, str | None]:
    """'scores.npz:rgb' is the array 'rgb' of 'scores.npz', unless a file has that whole name."""
    file, colon, array = text.rpartition(":")
    return (file, array) if colon and not Path(text).exists() else (text, None)


def read_here(path: str, name: str | None) -> dict:
    """The fields of the Scores of a file, read by this process; see `read`."""
    ending = Path(path).suffix.lower()
    if name is None and ending in (".h5", ".hdf5") and _is_ours(path):
        scores = read_scores(path)
    else:
        scores = _scores(path, name, *_read_arrays(path, name))
    return vars(scores)


def _scores(
    path: str, name: str | None, held: list[str], arrays: dict[str, np.ndarray], from_one: bool
) -> Scores:
    """The scores of a file out of its `arrays` by role; `held` are the names of all that it holds.

    Labels count `from_one`, or from 0.
    """
    if not {"clips", "labels", "scores"} <= set(arrays):
        wanted = f"'{name}'" if name else "scores"
        raise PipelineError(
            f"{path}: {wanted}, names and labels of clips are wanted, and it holds "
            f"{listed(sorted(held), 20) or 'nothing'}; what can be read are {FORMS}"
        )
    names = _texts(path, "names of clips", arrays["clips"])
    classes = _texts(path, "classes", arrays["classes"]) if "classes" in arrays else []
    values, labels = _numbers(path, arrays["scores"]), _labels(path, arrays["labels"])
    scores = Scores(names, labels - from_one, classes, values)
    _check_shapes(path, scores, from_one)
    return require_finite(scores, path)


def _numbers(path: str, values: np.ndarray) -> np.ndarray:
    """Scores as float64; raises PipelineError for what are not real numbers."""
    if values.dtype.kind not in "fiu":
        raise PipelineError(
            f"{path}: scores of type {_type_text(values)}; write real numbers (float or int)"
        )
    values = values.astype(np.float64)
    beyond = np.isfinite(values) & (np.abs(values) > LARGEST)
    if beyond.any():
        raise PipelineError(
            f"{path}: scores of up to {np.abs(values[beyond]).max():.3g}, where results hold "
            f"{LARGEST:.3g} at most; scale them down"
        )
    return values


def _labels(path: str, labels: np.ndarray) -> np.ndarray:
    """Labels (clips,) as int64; raises PipelineError for what are not whole numbers."""
    labels, kind = labels.ravel(), labels.dtype.kind
    whole = kind in "iu" or kind == "f" and bool((np.mod(labels, 1) == 0).all())
    # Beyond 2**31 integers of other types would turn over.
    if not whole or (len(labels) and float(np.abs(labels.astype(np.float64)).max()) >= 2**31):
        what = f"of type {_type_text(labels)}" if kind not in "iuf" else "no whole numbers"
        raise PipelineError(
            f"{path}: its labels are {what}; write the number of each clip's class, from 0"
        )
    return labels.astype(np.int64)


def _texts(path: str, what: str, values: np.ndarray) -> list[str]:
    """Names as a list of str; raises PipelineError for what is no text, or empty."""
    texts = [_text(value) for value in values.ravel()]
    if None in texts:
        place = texts.index(None)
        raise PipelineError(
            f"{path}: {what} are wanted as text (UTF-8), and number {place + 1} is none; write text"
        )
    return texts


def _text(value) -> str | None:
    """A name as text, None where it is none: HDF5 gives bytes, MATLAB an array of one."""
    while isinstance(value, np.ndarray):
        if value.size != 1:
            return None
        value = value.item()
    try:
        text = value.decode() if isinstance(value, bytes) else value
    except UnicodeDecodeError:
        return None
    # MATLAB fills up the rows of a matrix of text with blanks.
    text = text.strip() if isinstance(text, str) else ""
    # Control characters would reach the terminal, and halves of characters cannot be printed.
    return text if text and not any(category(sign) in ("Cc", "Cs") for sign in text) else None


def _check_shapes(path: str, scores: Scores, from_one: bool) -> None:
    """Refuse scores without a row for each clip and a column for each class."""
    values, labels, clips = scores.values, scores.labels, len(scores.clips)
    if values.ndim == 2 and len(values) != clips and clips == len(labels) == values.shape[1]:
        raise PipelineError(
            f"{path}: scores of shape {values.shape} for {clips} clips are transposed, a row a "
            "class; write a row a clip and a column a class"
        )
    if values.ndim != 2 or not len(values) == clips == len(labels):
        raise PipelineError(
            f"{path}: scores of shape {values.shape} do not fit {clips} names and "
            f"{len(labels)} labels; write a row a clip and a column a class"
        )
    columns = values.shape[1]
    if not values.size:
        raise PipelineError(
            f"{path}: scores of {clips} clips and {columns} classes; write at least one of each"
        )
    if len(set(scores.classes)) < len(scores.classes):
        doubled = sorted({name for name in scores.classes if scores.classes.count(name) > 1})
        raise PipelineError(
            f"{path}: classes stand twice: {listed(doubled)}; name each column once"
        )
    low, high = int(labels.min()), int(labels.max())
    if low == 1 and high == columns and not from_one:
        raise PipelineError(
            f"{path}: labels go from 1 to {high} where there are {columns} columns of scores; "
            "subtract 1, they count from 0"
        )
    if low < 0:
        first = int(from_one)
        raise PipelineError(
            f"{path}: the label of clip '{scores.clips[int(labels.argmin())]}' is {low + first}; "
            f"write labels from {first}"
        )
    if scores.classes and len(scores.classes) != columns or high >= columns:
        raise PipelineError(
            f"{path}: {columns} columns of scores for {len(scores.classes) or high + 1} classes; "
            "write a column for each class"
        )


def _is_ours(path: str) -> bool:
    """Whether an HDF5 file says that this pipeline wrote it; refuses what it takes from others."""
    if not h5py.is_hdf5(path):
        return False
    with h5py.File(path, "r", locking=False) as file:
        if "format" not in file.attrs:
            return False
        foreign.require_whole(file)
        return True


def _read_arrays(path: str, name: str | None) -> tuple[list[str], dict[str, np.ndarray], bool]:
    """The names of all that a file holds, its arrays by role, and whether labels count from 1.

    Only what has a role is read, and nothing is unpickled.
    """
    ending = Path(path).suffix.lower()
    try:
        if ending == ".mat":
            held, read_array = _open_matlab(path)
        else:
            opened = foreign.NPZ(path) if ending == ".npz" else foreign.HDF5(path)
            held, read_array = opened.names(), opened.read
        keys = {role: next(filter(held.__contains__, names), None) for role, names in ROLES.items()}
        if name:
            # A path in an HDF5 file is not among the names of its root.
            keys["scores"] = name if name.partition("/")[0] in held else None
        arrays = {role: read_array(key) for role, key in keys.items() if key}
    except NotImplementedError:
        raise PipelineError(
            f"{path}: a MATLAB file of version 7.3; save it again with -v7"
        ) from None
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, zipfile.BadZipFile) as error:
        if limits.is_disk_failure(error):
            raise
        raise PipelineError(
            f"{path}: not {KINDS[ending]} that can be read ({first_line(error)}); what can be "
            f"read are {FORMS}"
        ) from error
    return held, arrays, keys["labels"] == "gt_idt"


def _open_matlab(path: str):
    """Names of the variables of a MATLAB file, and a function that reads one.

    Raises NotImplementedError for version 7.3, ValueError for a file that is not MATLAB's.
    """
    from scipy.io import loadmat, whosmat
    from scipy.io.matlab import MatReadError

    def read(name: str) -> np.ndarray:
        value = loadmat(path, variable_names=[name])[name]
        if not isinstance(value, np.ndarray):
            raise PipelineError(
                f"{path}: '{name}' is a sparse matrix or an object; save it as a full array"
            )
        return value

    try:
        return [name for name, *_ in whosmat(path)], read
    except MatReadError as error:
        raise ValueError(str(error)) from error


def _type_text(array: np.ndarray) -> str:
    """The type of an array for people; MATLAB's structures would take a page."""
    if array.dtype.names:
        return "record"
    texts = {"U": "text", "S": "text", "O": "objects (MATLAB's cells, or text)"}
    return texts.get(array.dtype.kind, str(array.dtype))
