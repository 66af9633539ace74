"""Weight files of other programs: what they may hold tensors in, and what is refused."""

import io
import json
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from pipeline.errors import PipelineError
from pipeline.models.backbones.tensor_files import read

STATE = {"features.0.weight": torch.arange(6.0).reshape(2, 3), "features.0.bias": torch.ones(2)}


def saved(path: Path, content) -> Path:
    torch.save(content, path)
    return path


def equal(found: dict) -> bool:
    return list(found) == list(STATE) and all(torch.equal(found[key], STATE[key]) for key in STATE)


@pytest.mark.parametrize(
    "content",
    [
        STATE,
        {"epoch": 3, "state_dict": STATE},
        {"model": STATE, "optimizer": {"state": {}, "param_groups": []}},
        {"model_state_dict": STATE, "lr": 0.1},
        {"checkpoint": {"state_dict": STATE}, "args": "x"},
        {"state_dict": {"model": STATE}},
        {"anything": STATE},
        {**STATE, "steps": torch.tensor(3), "epoch": 3, "scale": 1.0},
        {key: torch.nn.Parameter(value) for key, value in STATE.items()},
        {key: value.double() for key, value in STATE.items()},
        {key: value.bfloat16() for key, value in STATE.items()},
    ],
    ids=[
        "plain",
        "state_dict",
        "model",
        "model_state_dict",
        "checkpoint",
        "twice",
        "alone",
        "more",
        "parameters",
        "double",
        "bfloat16",
    ],
)
def test_tensors_are_found_where_programs_keep_them(tmp_path, content):
    assert equal(read(saved(tmp_path / "a.pth", content)))


def test_files_of_every_kind(tmp_path):
    arrays = {key: value.numpy() for key, value in STATE.items()}
    np.savez(tmp_path / "a.npz", **arrays)
    with h5py.File(tmp_path / "a.h5", "w", track_order=True) as file:
        for key, value in arrays.items():
            file[key] = value
    save_file(STATE, tmp_path / "a.safetensors")
    torch.save(STATE, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    assert all(sorted(read(path)) == sorted(STATE) for path in tmp_path.iterdir())


def test_views_of_one_storage_are_plain(tmp_path):
    """Tied weights, and rows of a larger tensor, as `torch.save` writes them."""
    both = torch.arange(12.0)
    found = read(saved(tmp_path / "a.pth", {"a": both[:6], "b": both[6:], "c": both}))
    assert found["b"].tolist() == [6, 7, 8, 9, 10, 11]


def zipped(path: Path, pickle: bytes, packed: bool = False) -> Path:
    """A file as torch writes, with another list of names."""
    kind = zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED
    with zipfile.ZipFile(path, "w", kind) as file:
        file.writestr("a/data.pkl", pickle)
        file.writestr("a/version", "3\n")
        file.writestr("a/data/0", bytes(24))
    return path


def claimed(path: Path, shape: tuple[int, ...]) -> Path:
    """A torch file in which the tensor of the six numbers claims another shape."""
    buffer = io.BytesIO()
    torch.save({"w": torch.arange(6.0).reshape(2, 3)}, buffer)
    with zipfile.ZipFile(buffer) as source:
        members = {entry.filename: source.read(entry) for entry in source.infolist()}

    def number(value: int) -> bytes:
        # LONG1: a number of eight bytes.
        return b"\x8a\x09" + value.to_bytes(9, "little")

    with zipfile.ZipFile(path, "w") as file:
        for name, content in members.items():
            if name.endswith("data.pkl"):
                old = b"K\x02K\x03\x86"
                assert content.count(old) == 1
                content = content.replace(old, b"".join(map(number, shape)) + b"\x86")
            file.writestr(name, content)
    return path


@pytest.mark.parametrize(
    "make, words",
    [
        (lambda path: claimed(path, (1 << 10, 1 << 10)), "load safely"),
        (lambda path: claimed(path, (1 << 40, 1 << 10)), "load safely"),
        (lambda path: saved(path, {"w": torch.ones(1).expand(1 << 20, 1 << 20)}), "claims more"),
        (lambda path: saved(path, {"w": torch.eye(3).to_sparse()}), "'w' is no plain tensor"),
        (lambda path: saved(path, {"w": torch.ones(3, device="meta")}), "no plain tensor|safely"),
        (lambda path: zipped(path, b"\x80\x02cos\nsystem\n(X\x05\0\0\0falsetR."), "of os.system"),
        (lambda path: saved(path, {"a": Path("x")}), "holds an object of pathlib"),
        (lambda path: zipped(path, bytes(1 << 20), packed=True), "torch did not write: 1.0 MB"),
        (lambda path: zipped(path, b"\x80\x02" + b"(" * 100_000), "load safely"),
        (lambda path: path.write_bytes(b"layer { name: 'conv1_1' }") and path, "load safely"),
        (lambda path: saved(path, [STATE]), "holds list, not a dict"),
        (lambda path: saved(path, torch.ones(3)), "holds Tensor, not a dict"),
    ],
    ids=[
        "larger",
        "giant",
        "expanded",
        "sparse",
        "meta",
        "pickle",
        "object",
        "packed",
        "deep",
        "caffe",
        "list",
        "tensor",
    ],
)
def test_what_is_no_file_of_plain_tensors_is_refused(tmp_path, make, words):
    path = make(tmp_path / "vgg.pth")
    with pytest.raises(PipelineError, match=words) as caught:
        read(path)
    assert str(caught.value).startswith(f"{path}: ") and "\n" not in str(caught.value)
    # torch's own message says how to unpickle the file nevertheless.
    assert "weights_only" not in str(caught.value)


@pytest.mark.parametrize("old", [False, True])
def test_pickles_that_crash_python_are_refused(tmp_path, old):
    """A key of tuples within tuples, whose hash takes more stack than there is."""
    pickle = b"\x80\x02})" + b"\x85" * 1_000_000 + b"K\x01s."
    path = tmp_path / "vgg.pth"
    path.write_bytes(pickle) if old else zipped(path, pickle)
    with pytest.raises(PipelineError, match="vgg.pth: .*load safely"):
        read(path)


def test_keys_too_deep_to_be_written_are_no_names(tmp_path):
    path = zipped(tmp_path / "vgg.pth", b"\x80\x02})" + b"\x85" * 10_000 + b"K\x01s.")
    assert read(path) == {}


def test_files_with_very_many_names_are_read(tmp_path):
    state = {f"features.{number}.weight": torch.tensor([float(number)]) for number in range(2000)}
    found = read(saved(tmp_path / "a.pth", state))
    assert found["features.1999.weight"].item() == 1999 and len(found) == 2000


def link(file):
    file["w"] = h5py.ExternalLink("/etc/passwd", "/")


def storage(file):
    file.create_dataset("w", (4,), "f4", external=[("/etc/passwd", 0, 16)])


def giant(file):
    file.create_dataset("w", (2**40,), "f4", chunks=(1024,))


def deep(file):
    file.create_group("/".join(["g"] * 100))["w"] = [1.0]


@pytest.mark.parametrize(
    "make, words",
    [
        (storage, "'w' is kept in other files"),
        (giant, "'w' of 4,398.0 GB"),
        (deep, "more than 50 deep"),
    ],
)
def test_hdf5_files_that_are_hostile_are_refused(tmp_path, make, words):
    with h5py.File(tmp_path / "vgg.h5", "w") as file:
        make(file)
    with pytest.raises(PipelineError, match=f"^{tmp_path / 'vgg.h5'}: .*{words}"):
        read(tmp_path / "vgg.h5")


def test_links_in_hdf5_files_are_passed_over(tmp_path):
    with h5py.File(tmp_path / "vgg.h5", "w") as file:
        link(file)
        file["x"] = np.ones(2, np.float32)
    assert list(read(tmp_path / "vgg.h5")) == ["x"]


@pytest.mark.parametrize(
    "head",
    [
        {"w": {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 8]}},
        {"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 2**60]}},
        [],
        {},
    ],
)
def test_safetensors_that_claim_what_is_not_there_are_refused(tmp_path, head):
    text = json.dumps(head).encode()
    path = tmp_path / "vgg.safetensors"
    path.write_bytes(len(text).to_bytes(8, "little") + text + bytes(4))
    with pytest.raises(PipelineError, match="load safely"):
        read(path)
