"""What files are, of all the kinds that people name by mistake."""

import io
import json
import os
import pickle
import tarfile
import zipfile

import h5py
import numpy as np
import pytest
from PIL import Image

from pipeline.errors import PipelineError
from pipeline.report.kinds import what_is


def picture(ending: str) -> bytes:
    content = io.BytesIO()
    Image.new("RGB", (2, 2)).save(content, ending)
    return content.getvalue()


def archive(**members: bytes) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as file:
        for name, data in members.items():
            file.writestr(name.replace("__", "/").replace("_", "."), data)
    return content.getvalue()


def tar() -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as file:
        file.addfile(tarfile.TarInfo("a"))
    return content.getvalue()


def saved(write) -> bytes:
    content = io.BytesIO()
    write(content)
    return content.getvalue()


def safetensors() -> bytes:
    head = json.dumps({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
    return len(head).to_bytes(8, "little") + head + bytes(4)


CONTENTS = {
    "a PNG picture": picture("PNG"),
    "a JPEG picture": picture("JPEG"),
    "a GIF picture": picture("GIF"),
    "an empty file": b"",
    "a text file": "Übung, 跳".encode(),
    "a JSON file": b'[{"a": 1}]',
    "a result, which `pipeline show` prints": b'{"accuracy": {}, "headline": "asyn", "set": ""}',
    "tables of results, which `pipeline show` prints": b'{"rows": [], "seeds": [1], "set": ""}',
    "the record of how a file was made": b'{"stage": "flow", "digest": "", "settings": {}}',
    "a zip archive": archive(a_txt=b""),
    "a damaged zip archive": archive(a_txt=b"")[:40],
    "a file of PyTorch": archive(model__data_pkl=b"", model__data__0=b""),
    "a trained run as `pipeline export` packs it, which `pipeline predict` takes": archive(
        run_json=b"{}"
    ),
    "an archive of NumPy arrays (.npz)": saved(lambda file: np.savez(file, a=[1])),
    "a NumPy array (.npy)": saved(lambda file: np.save(file, [1])),
    "a tar archive": tar(),
    "a pickled file": pickle.dumps([1]),
    "a file of weights (safetensors)": safetensors(),
    "an HDF5 file": saved(lambda file: h5py.File(file, "w").close()),
    "an AVI video": b"RIFF\x00\x00\x00\x00AVI LIST",
    "an MP4 video": b"\x00\x00\x00\x18ftypisom",
    "a file of no kind that is known here": bytes(range(1, 256)),
}


@pytest.mark.parametrize("what", CONTENTS)
def test_kinds_by_content(tmp_path, what):
    """Whatever the name says."""
    path = tmp_path / "file.h5"
    path.write_bytes(CONTENTS[what])
    assert what_is(path) == what


def test_text_may_be_long_and_cut_within_a_sign(tmp_path):
    path = tmp_path / "long"
    path.write_text("x" + "Ü" * 5000)
    assert what_is(path) == "a text file"
    path.write_text("[" * 100_000)
    assert what_is(path) == "a text file"


def test_files_of_old_versions_of_torch(tmp_path):
    torch = pytest.importorskip("torch")
    path = tmp_path / "old.pt"
    torch.save({"a": torch.zeros(1)}, path, _use_new_zipfile_serialization=False)
    assert what_is(path) == "a pickled file of an old version of PyTorch"
    torch.save({"a": torch.zeros(1)}, path)
    assert what_is(path) == "a file of PyTorch"


def test_what_is_no_file_is_not_read(tmp_path):
    os.mkfifo(tmp_path / "pipe.h5")
    assert what_is(tmp_path / "pipe.h5") == "a named pipe"
    assert what_is(tmp_path) == "a folder"
    assert what_is("/dev/null") == "a device"
    with pytest.raises(PipelineError, match="there is no such file"):
        what_is(tmp_path / "none")
