"""Files of other people: what is found in them, counted and refused; see also external scores."""

import h5py
import numpy as np
import pytest

from pipeline.errors import PipelineError
from pipeline.storage import foreign


def test_objects_come_once_in_the_order_of_the_file(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["b/inner"], file["a"] = [1.0], 2
        # A second name, and a group that holds itself.
        file["c"] = file["a"]
        file["b/back"] = file["b"]
        file["soft"], file["outer"] = h5py.SoftLink("/a"), h5py.ExternalLink("x.h5", "/")
        assert [path for path, _ in foreign.objects(file)] == ["a", "b", "b/inner"]


@pytest.mark.parametrize("depth", [49, 5000])
def test_groups_too_deep_are_refused(tmp_path, depth):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        group = file
        for _ in range(depth):
            group = group.create_group("g")
        if depth < foreign.DEEPEST:
            assert len(list(foreign.objects(file))) == depth
            return
        with pytest.raises(PipelineError, match="a.h5: its groups lie more than 50 deep"):
            list(foreign.objects(file))


def test_arrays_are_counted_together(tmp_path, monkeypatch):
    monkeypatch.setattr(foreign, "LARGEST", 1000)
    np.savez(tmp_path / "a.npz", one=np.zeros(70), two=np.zeros(70))
    held = foreign.NPZ(tmp_path / "a.npz")
    assert held.names() == ["one", "two"] and held.read("one").shape == (70,)
    with pytest.raises(PipelineError, match="a.npz: with 'two' of 0.0 GB its arrays are larger"):
        held.read("two")


def test_weights_are_the_floats_alone_in_the_order_of_the_file(tmp_path):
    arrays = {"b/w": np.ones((2, 3), np.float64), "a": np.zeros(2, np.float16)}
    np.savez(tmp_path / "a.npz", **arrays, steps=np.arange(3), names=np.array(["x"]))
    with h5py.File(tmp_path / "a.h5", "w") as file:
        for name, array in arrays.items():
            file[name] = array
        file["steps"], file["names"] = np.arange(3), ["x"]
        file["records"] = np.zeros(2, [("x", "f4")])
        file["linked"] = h5py.ExternalLink("/etc/passwd", "/")
    for found, order in (
        (foreign.npz_weights(tmp_path / "a.npz"), ["b/w", "a"]),
        (foreign.hdf5_weights(tmp_path / "a.h5"), ["a", "b/w"]),
    ):
        assert list(found) == order
        assert all(array.dtype == np.float32 for array in found.values())
        assert (found["b/w"] == 1).all() and found["b/w"].shape == (2, 3)


def test_numbers_beyond_float32_become_infinite(tmp_path):
    np.savez(tmp_path / "a.npz", w=np.array([1e39, 1.0]))
    assert foreign.npz_weights(tmp_path / "a.npz")["w"].tolist() == [np.inf, 1]


def test_weights_in_other_files_are_refused(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("w", (3,), "f4", external=[("/etc/passwd", 0, 12)])
    with pytest.raises(PipelineError, match="'w' is kept in other files"):
        foreign.hdf5_weights(tmp_path / "a.h5")


def test_whole_files_pass_and_hollow_ones_do_not(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["a/b"] = np.zeros(3)
        foreign.require_whole(file)
        file.create_dataset("c", (2**40,), "f8", chunks=(1024,))
        with pytest.raises(PipelineError, match="'c' claims 8,796.1 GB, of which"):
            foreign.require_whole(file)
        del file["c"]
        file["a/link"] = h5py.SoftLink("/a/b")
        with pytest.raises(PipelineError, match="'a/link' is a link to another place"):
            foreign.require_whole(file)
