"""Attributes of HDF5 files and datasets, as strings of a fixed length.

Strings of any length, which h5py writes by default, lie in HDF5's global heap. It has no checksum,
and a damaged one can make HDF5 loop for ever. Strings of a fixed length lie in the header of their
file or dataset, which is checked when it is read. Plain h5py gives them as bytes.
"""

from collections.abc import Mapping

import h5py
import numpy as np


def write(node: h5py.Group | h5py.Dataset, values: Mapping[str, object]) -> None:
    """Set attributes; text, or a list of texts, gets a fixed length, all else is as of h5py."""
    for name, value in values.items():
        texts = [value] if isinstance(value, str) else value
        if not isinstance(texts, list):
            node.attrs[name] = value
            continue
        contents = [text.encode() for text in texts]
        # HDF5 has no strings of length 0.
        dtype = h5py.string_dtype("utf-8", max([1, *map(len, contents)]))
        node.attrs.create(name, np.array(contents if value is texts else contents[0], dtype))


def read(node: h5py.Group | h5py.Dataset) -> dict[str, object]:
    """All attributes, however they were written: text as str, several texts as a list."""
    return {name: _text(value) for name, value in node.attrs.items()}


def _text(value: object) -> object:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, np.ndarray) and value.dtype.kind in "SO":
        return [_text(item) for item in value]
    return value
