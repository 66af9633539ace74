"""Attributes: text survives, and lies where HDF5 checks it."""

import h5py
import numpy as np
import pytest

from pipeline.storage import attributes
from pipeline.storage.layout import LIBRARY_VERSIONS

VALUES = {
    "text": "Frames per second: 25 (漢字, é)",
    "empty": "",
    "long": "x" * 100_000,
    "number": 3,
    "texts": ["Run", "漢", ""],
}


@pytest.fixture
def path(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w", libver=LIBRARY_VERSIONS) as file:
        attributes.write(file, VALUES)
    return tmp_path / "a.h5"


def test_attributes_come_back_as_they_are(path):
    with h5py.File(path) as file:
        assert attributes.read(file) == VALUES
        # Plain h5py gives bytes.
        assert file.attrs["text"].decode() == VALUES["text"]


def test_attributes_of_h5py_are_read_the_same(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.attrs.update({"text": "é", "texts": ["a", "é"], "array": np.arange(3)})
        found = attributes.read(file)
    assert (found["text"], found["texts"]) == ("é", ["a", "é"]) and (
        found["array"] == [0, 1, 2]
    ).all()


def test_any_flipped_bit_of_the_text_is_found(path):
    """Nothing lies in HDF5's global heap, which has no checksum."""
    content = path.read_bytes()
    assert b"GCOL" not in content
    start = content.index(VALUES["text"].encode())
    for offset in range(start, start + len(VALUES["text"].encode())):
        path.write_bytes(content[:offset] + bytes([content[offset] ^ 1]) + content[offset + 1 :])
        with pytest.raises((OSError, RuntimeError, KeyError)), h5py.File(path) as file:
            attributes.read(file)
