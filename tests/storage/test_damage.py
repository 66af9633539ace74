"""Errors of damaged HDF5 files: whose fault it is, and what can be done."""

import errno
import os

import h5py
import pytest

from pipeline.errors import MachineError, PipelineError, remake, set_aside
from pipeline.files import replacing
from pipeline.storage import damage


def test_what_h5py_says_becomes_a_sentence(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["x"] = 1
    with pytest.raises(PipelineError) as caught, damage.broken(tmp_path / "a.h5", "clip 'b'"):
        h5py.File(tmp_path / "a.h5")["b"]
    message = str(caught.value)
    assert message.startswith(f"{tmp_path / 'a.h5'}: clip 'b' cannot be decoded (")
    assert message.endswith(set_aside(tmp_path / "a.h5")) and "\n" not in message


def test_only_what_its_seal_proves_is_to_be_deleted(tmp_path):
    path = tmp_path / "a.h5"
    with replacing(path) as temporary:
        temporary.write_bytes(b"content" * 100)
    for content, cure in ((b"Content" * 100, remake(path)), (b"content" * 100, set_aside(path))):
        path.write_bytes(content)
        with pytest.raises(PipelineError) as caught, damage.broken(path):
            raise OSError("bad heap")
        assert cure in str(caught.value)


@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE])
def test_a_failing_disk_says_nothing_about_the_file(tmp_path, number):
    """As h5py words it, and as Python does."""
    path = tmp_path / "a.h5"
    path.touch()
    by_h5py = OSError(
        f"Can't synchronously read data (file read failed: time = Wed Nov 25, filename = "
        f"'a.h5', file descriptor = 3, errno = {number}, error message = '..')"
    )
    for error in (by_h5py, OSError(number, os.strerror(number))):
        with pytest.raises(MachineError) as caught, damage.broken(path):
            raise error
        assert os.strerror(number) in str(caught.value) and "rm " not in str(caught.value)


def test_errors_of_users_pass_through(tmp_path):
    with pytest.raises(PipelineError, match="^as it is$"), damage.broken(tmp_path / "a.h5"):
        raise PipelineError("as it is")
    with pytest.raises(KeyboardInterrupt), damage.broken(tmp_path / "a.h5"):
        raise KeyboardInterrupt


def test_a_file_that_ends_is_read_without_a_word(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["texts"] = ["a", "b"]
    damage.require_end(tmp_path / "a.h5")
    # That it is no HDF5 file is found where it is opened.
    (tmp_path / "b.h5").write_text("text")
    damage.require_end(tmp_path / "b.h5")
