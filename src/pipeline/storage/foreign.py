"""HDF5 and NumPy files of other people: sizes are known before contents are read.

No other file is opened, whatever a file says: links to other files, datasets that keep their data
in other files and virtual datasets are refused. Nothing is unpickled. On a damaged file HDF5 may
still crash or loop: call these functions in a process with limits (`jobs.limits`).
"""

from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np

from pipeline.errors import PipelineError

# Bytes of all arrays that are read of a file. Keras's VGG-16 with its optimiser's arrays has 1.7
# GB, the scores of Kinetics-700 have 0.4 GB.
LARGEST = 2 << 30
# Groups within groups, and objects of a file.
DEEPEST, MOST = 50, 1_000_000


class Held:
    """The arrays of an open file by name; what is read of them is counted against LARGEST."""

    def __init__(self, path: str | Path):
        self.path, self._bytes = path, 0

    def names(self) -> list[str]:
        """Names of the arrays, in the order of the file."""
        raise NotImplementedError

    def read(self, name: str) -> np.ndarray:
        """An array; text of HDF5 is bytes or str. Raises PipelineError where it cannot be read."""
        raise NotImplementedError

    def count(self, name: str, size: int) -> None:
        """Refuse an array of `size` bytes where all that is read would be more than LARGEST."""
        self._bytes += size
        if self._bytes > LARGEST:
            raise PipelineError(
                f"{self.path}: with '{name}' of {size / 1e9:,.1f} GB its arrays are larger than "
                f"{LARGEST / 1e9:.1f} GB; write a file of what is wanted alone"
            )


class HDF5(Held):
    """An HDF5 file; names of nested datasets are paths. Raises OSError where it is none."""

    def __init__(self, path: str | Path):
        super().__init__(path)
        self.file = h5py.File(path, "r", locking=False)

    def names(self) -> list[str]:
        """Names of all that lies in the file's root, links to other places included."""
        return list(self.file)

    def read(self, name: str) -> np.ndarray:
        data = self._dataset(name)
        dtype = data.dtype
        text = h5py.check_string_dtype(dtype)
        if dtype.kind not in "biufSUc" and not text:
            raise PipelineError(
                f"{self.path}: '{name}' is of type {_type_text(data)}; write numbers or text"
            )
        require_inside(data, self.path)
        if data.shape is None:
            return np.zeros(0, dtype)
        self.count(name, data.nbytes)
        unknown = unknown_filters(data)
        if unknown:
            raise PipelineError(
                f"{self.path}: '{name}' is compressed by HDF5 filter {unknown[0]}, which is not "
                "installed; write it with gzip or without compression"
            )
        return data[...]

    def _dataset(self, name: str) -> h5py.Dataset:
        """A dataset by its path, links not followed."""
        item = self.file
        for part in name.strip("/").split("/"):
            link = item.get(part, getlink=True) if isinstance(item, h5py.Group) else None
            if isinstance(link, h5py.SoftLink | h5py.ExternalLink):
                raise _link_error(self.path, name, link)
            item = item[part] if link is not None else None
        if not isinstance(item, h5py.Dataset):
            raise PipelineError(f"{self.path}: '{name}' is not an array; name one of its arrays")
        return item


class NPZ(Held):
    """A NumPy .npz file. Raises OSError, ValueError or zipfile.BadZipFile where it is none."""

    def __init__(self, path: str | Path):
        super().__init__(path)
        self.file = np.load(path, allow_pickle=False)
        if not isinstance(self.file, np.lib.npyio.NpzFile):
            raise ValueError("it is no archive of arrays")

    def names(self) -> list[str]:
        return list(self.file.files)

    def read(self, name: str) -> np.ndarray:
        entries = self.file.zip.namelist()
        # Of an archive that claims less than it holds, no more than that is unpacked.
        entry = self.file.zip.getinfo(name if name in entries else f"{name}.npy")
        self.count(name, entry.file_size)
        array = self.file[name]
        if not isinstance(array, np.ndarray):
            raise PipelineError(f"{self.path}: '{name}' is not an array; name one of its arrays")
        return array


def objects(file: h5py.File) -> Iterator[tuple[str, h5py.Group | h5py.Dataset | h5py.Datatype]]:
    """Yield the path and the object of each group, dataset and type of a file, in its order.

    Links to other places are passed over, and an object with several names comes once. Raises
    PipelineError for groups deeper than DEEPEST and for more than MOST objects.
    """
    seen, todo = set(), [("", file["/"])]
    while todo:
        path, item = todo.pop()
        if path:
            yield path, item
        if not isinstance(item, h5py.Group):
            continue
        if path.count("/") >= DEEPEST:
            raise PipelineError(
                f"{file.filename}: its groups lie more than {DEEPEST} deep; write them flat"
            )
        inner = []
        for name in item:
            if isinstance(item.get(name, getlink=True), h5py.HardLink):
                child = item[name]
                address = h5py.h5o.get_info(child.id).addr
                if address not in seen:
                    seen.add(address)
                    inner.append((f"{path}/{name}" if path else name, child))
        if len(seen) > MOST:
            raise PipelineError(f"{file.filename}: it holds more than {MOST:,} objects")
        todo += reversed(inner)


def require_whole(file: h5py.File) -> None:
    """Refuse a file that takes part of its contents from elsewhere, or claims impossible sizes.

    Raises PipelineError for links and virtual datasets, for data in other files, and for numbers
    that would take more memory than LARGEST and are nowhere in the file.
    """
    for path, item in [("", file["/"]), *objects(file)]:
        if isinstance(item, h5py.Group):
            for name in item:
                link = item.get(name, getlink=True)
                if not isinstance(link, h5py.HardLink):
                    raise _link_error(file.filename, f"{path}/{name}".strip("/"), link)
        elif isinstance(item, h5py.Dataset):
            require_inside(item, file.filename)
            if item.nbytes > LARGEST and not item.id.get_storage_size():
                raise PipelineError(
                    f"{file.filename}: '{path}' claims {item.nbytes / 1e9:,.1f} GB, of which the "
                    "file holds nothing"
                )


def require_inside(data: h5py.Dataset, path: str | Path) -> None:
    """Refuse a dataset whose values lie in other files or in other datasets."""
    elsewhere = "a virtual dataset" if data.is_virtual else "kept in other files"
    if data.is_virtual or data.external:
        raise PipelineError(
            f"{path}: '{data.name.strip('/')}' is {elsewhere}, which are not opened; write its "
            "values into this file"
        )


def unknown_filters(data: h5py.Dataset) -> list[int]:
    """Numbers of the filters of a dataset that this HDF5 library has not."""
    properties = data.id.get_create_plist()
    numbers = [properties.get_filter(place)[0] for place in range(properties.get_nfilters())]
    return [number for number in numbers if not h5py.h5z.filter_avail(number)]


def hdf5_weights(path: str) -> dict[str, np.ndarray]:
    """The float arrays of an HDF5 file by their paths in it, in its order, as float32."""
    held = HDF5(path)
    items = objects(held.file)
    names = [name for name, item in items if isinstance(item, h5py.Dataset) and _is_float(item)]
    return {name: _float32(held.read(name)) for name in names}


def npz_weights(path: str) -> dict[str, np.ndarray]:
    """The float arrays of an .npz file by their names, in its order, as float32."""
    held = NPZ(path)
    arrays = ((name, held.read(name)) for name in held.names())
    return {name: _float32(array) for name, array in arrays if array.dtype.kind == "f"}


def _is_float(data: h5py.Dataset) -> bool:
    # NumPy has no equivalent of some types.
    try:
        return data.dtype.kind == "f"
    except TypeError:
        return False


def _float32(array: np.ndarray) -> np.ndarray:
    # What float32 cannot hold becomes infinite, which whoever loads weights refuses.
    with np.errstate(over="ignore"):
        return array.astype(np.float32)


def _link_error(path: str | Path, name: str, link) -> PipelineError:
    target = f"{link.filename}:{link.path}" if isinstance(link, h5py.ExternalLink) else link.path
    kind = "another file" if isinstance(link, h5py.ExternalLink) else "another place"
    return PipelineError(
        f"{path}: '{name}' is a link to {kind} ({target}), which is not followed; write the array "
        "itself"
    )


def _type_text(data: h5py.Dataset) -> str:
    """The type of a dataset for people."""
    if h5py.check_ref_dtype(data.dtype):
        return "reference"
    if h5py.check_vlen_dtype(data.dtype):
        return "array of varying length"
    if data.dtype.names:
        return f"record ({', '.join(data.dtype.names)})"
    return str(data.dtype)
