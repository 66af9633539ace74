"""The tensors of a weight file that another program wrote: torch, safetensors, NumPy or HDF5.

Nothing is unpickled, unpacked to more than the file holds, or read from other files.
"""

import re
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import h5py
import torch

from pipeline.errors import PipelineError, first_line
from pipeline.jobs import limits
from pipeline.storage import foreign

# Where a training program keeps the weights among other things, the likeliest first.
HOLDERS = ("state_dict", "model", "model_state_dict", "state", "net", "network", "weights")
# Dictionaries within one another that are opened.
DEEPEST = 5
# Bytes of the names and shapes in a torch file; those of VGG-16 have 5 kB. Out of so many, Python
# may be made to crash: tuples within tuples, 100,000 deep.
USUAL_PICKLE, LARGEST_PICKLE = 64 << 10, 64 << 20
# Address space in bytes to try a torch file with, of which torch's libraries take 3 GB.
TRIAL_MEMORY = 32 << 30
# Memory to read HDF5 and NumPy files with, in bytes: their arrays, twice, and the libraries.
MEMORY = 3 * foreign.LARGEST
# What a file is to be, and what to do where it is not.
WANTED = "of plain tensors that torch, safetensors, NumPy or HDF5 can load safely"
CURE = "convert it, or set network.weights to another"


def read(path: Path) -> dict[str, torch.Tensor]:
    """Return the float tensors of a file by their names, in its order, as float32.

    A torch file may hold them in a dictionary within others, as under 'state_dict' or 'model'.
    HDF5 and NumPy files are read by a process with limits, which takes 0.2 s to start.
    Raises PipelineError when the file is missing or not one of plain tensors.
    """
    if not path.is_file():
        raise PipelineError(
            f"{path}: there is no such weight file; correct network.weights "
            "('imagenet', 'none' or a file)"
        )
    reader = _array_reader(path)
    if reader:
        arrays = limits.call(reader, path, cure=f"not a file {WANTED}; {CURE}", memory=MEMORY)
        return {name: torch.from_numpy(array) for name, array in arrays.items()}
    content = _unwrap(load_torch(path))
    if not isinstance(content, dict):
        raise PipelineError(
            f"{path}: holds {type(content).__name__}, not a dict of tensors; save the model's "
            "state_dict()"
        )
    return {
        _name(key): value.float()
        for key, value in content.items()
        if isinstance(value, torch.Tensor) and value.is_floating_point()
    }


def load_torch(path: Path) -> object:
    """Return what a file of torch or safetensors holds, all tensors in it checked.

    A file with very many names, or of torch before 1.6, is tried in a process with limits first,
    which takes 3 s. Raises PipelineError for what cannot be loaded safely, or claims more than the
    file holds.
    """
    # Both raise exceptions of many types for a file that is no plain set of tensors.
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        is_archive = zipfile.is_zipfile(path)
        if not is_archive and not _is_old_torch(path):
            raise ValueError("it is none of their archives, and does not begin as a file of torch")
        if not is_archive or _pickle_size(path) > USUAL_PICKLE:
            limits.call(try_torch, path, cure=f"not a file {WANTED}; {CURE}", memory=TRIAL_MEMORY)
        content = torch.load(path, map_location="cpu", weights_only=True)
    except PipelineError:
        raise
    except Exception as error:
        raise unreadable(path, error) from error
    _require_plain(path, content)
    return content


def try_torch(path: str) -> dict:
    """Load a torch file and forget it: whoever calls this wants to know whether it crashes."""
    try:
        torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise unreadable(Path(path), error) from error
    return {}


def unreadable(path: Path, error: Exception) -> PipelineError:
    """The error to raise for a file of which a reader says `error`."""
    return PipelineError(f"{path}: not a file {WANTED} ({_reason(error)}); {CURE}")


def _reason(error: Exception) -> str:
    """Return what a reader says in short. torch adds advice, such as to unpickle the file."""
    if found := re.search(r"GLOBAL ([\w.]+)", str(error)):
        return f"it holds an object of {found[1]}"
    if "Weights only load failed" in str(error):
        return "it holds more than tensors, text and numbers"
    return first_line(error).partition(". ")[0].rstrip(".")


def _array_reader(path: Path) -> Callable | None:
    """Return what reads a file of arrays; None for files of torch and all others."""
    if h5py.is_hdf5(path):
        return foreign.hdf5_weights
    try:
        with zipfile.ZipFile(path) as file:
            # torch's files are archives, too.
            is_numpy = all(name.endswith(".npy") for name in file.namelist())
        return foreign.npz_weights if is_numpy else None
    # zipfile raises exceptions of many types for a damaged archive.
    except Exception:
        return None


def _is_old_torch(path: Path) -> bool:
    """Whether a file begins as torch's pickles do, or is an archive of its first versions."""
    with open(path, "rb") as file:
        return file.read(1) == b"\x80" or tarfile.is_tarfile(path)


def _pickle_size(path: Path) -> int:
    """Return the bytes of the names and shapes in a torch file.

    Raises PipelineError for an archive that unpacks to more than it holds: torch packs nothing.
    """
    with zipfile.ZipFile(path) as file:
        entries = file.infolist()
    packed = [entry.filename for entry in entries if entry.compress_type != zipfile.ZIP_STORED]
    size = sum(entry.file_size for entry in entries)
    pickles = sum(entry.file_size for entry in entries if entry.filename.endswith("data.pkl"))
    if packed or size > path.stat().st_size or pickles > LARGEST_PICKLE:
        raise PipelineError(
            f"{path}: an archive that torch did not write: {size / 1e6:,.1f} MB in a file of "
            f"{path.stat().st_size / 1e6:,.1f} MB; {CURE}"
        )
    return pickles


def _require_plain(path: Path, content: object) -> None:
    """Refuse float tensors that are no plain arrays, or have more values than the file."""
    room, storages = path.stat().st_size, {}
    for name, value in _tensors(content):
        if value.layout != torch.strided or value.device.type != "cpu" or value.is_quantized:
            raise PipelineError(
                f"{path}: '{name}' is no plain tensor ({value.layout}, {value.device.type}); save "
                "dense tensors that hold their values"
            )
        storage = value.untyped_storage()
        storages[storage.data_ptr()] = storage.nbytes()
        if value.numel() * value.element_size() > storage.nbytes() or (
            sum(storages.values()) > room
        ):
            raise PipelineError(
                f"{path}: '{name}' of shape {tuple(value.shape)} claims more values than the file "
                "holds; save contiguous tensors"
            )


def _tensors(content: object) -> Iterator[tuple[str, torch.Tensor]]:
    """Yield the names and float tensors of a dictionary, and of those within it."""
    todo = [("", content, 0)]
    while todo:
        name, value, depth = todo.pop()
        if isinstance(value, torch.Tensor):
            if value.is_floating_point():
                yield name, value
        elif isinstance(value, dict) and depth <= DEEPEST:
            todo += [(_name(key), inner, depth + 1) for key, inner in value.items()]


def _name(key: object) -> str:
    """Return a key as text. Others than text and numbers may be too deep to be written."""
    return str(key) if isinstance(key, str | int) else type(key).__name__


def _unwrap(content: object) -> object:
    """Return the dictionary of tensors that lies within others.

    It lies under one of HOLDERS, or is the only one that there is.
    """
    for _ in range(DEEPEST):
        if not isinstance(content, dict):
            break
        inner = {key: value for key, value in content.items() if isinstance(value, dict)}
        held = [inner[key] for key in HOLDERS if key in inner]
        alone = len(inner) == 1 and not any(map(torch.is_tensor, content.values()))
        if not held and not alone:
            break
        content = held[0] if held else next(iter(inner.values()))
    return content
