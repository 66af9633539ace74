"""What is refused before anything is decoded."""

import errno
import os
import socket
import struct

import pytest

from pipeline.errors import MachineError, PipelineError
from pipeline.video import container


def refusal(path) -> str:
    with pytest.raises(PipelineError) as caught:
        container.check(path)
    assert not isinstance(caught.value, MachineError) and "\n" not in str(caught.value)
    return str(caught.value)


def test_what_is_no_file_is_refused_without_being_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe.avi")
    (tmp_path / "folder.avi").mkdir()
    (tmp_path / "link.avi").symlink_to("nowhere.avi")
    (tmp_path / "loop.avi").symlink_to("loop.avi")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket.avi"))
        assert "a socket has its name" in refusal(tmp_path / "socket.avi")
    assert "a named pipe has its name" in refusal(tmp_path / "pipe.avi")
    assert "a folder has its name" in refusal(tmp_path / "folder.avi")
    assert "leads to nowhere.avi, which is missing" in refusal(tmp_path / "link.avi")
    assert "cannot be read" in refusal(tmp_path / "loop.avi")
    assert "no such video" in refusal(tmp_path / "line\nbreak.avi")


@pytest.mark.parametrize("number", [errno.EIO, errno.EMFILE, errno.ENOMEM, errno.ESTALE])
def test_a_failing_machine_says_nothing_about_the_file(tmp_path, monkeypatch, number):
    def fail(path):
        raise OSError(number, os.strerror(number), path)

    monkeypatch.setattr(container.os, "stat", fail)
    with pytest.raises(MachineError, match="clip.avi"):
        container.check(tmp_path / "clip.avi")


def test_a_file_that_may_not_be_read(tmp_path, monkeypatch):
    def fail(path):
        raise PermissionError(errno.EACCES, "Permission denied", path)

    monkeypatch.setattr(container.os, "stat", fail)
    assert "cannot be read (Permission denied)" in refusal(tmp_path / "clip.avi")


def avi(*parts: tuple[bytes, int, int]) -> bytes:
    """Parts of an AVI file: the kind, the size that it says, and the bytes that follow."""
    return b"".join(
        b"RIFF" + struct.pack("<I", said) + kind + bytes(there - 4) for kind, said, there in parts
    )


def test_sizes_of_avi_files(tmp_path):
    path = tmp_path / "clip.avi"
    for content in (
        avi((b"AVI ", 100, 100)),
        avi((b"AVI ", 0, 100)),
        avi((b"AVI ", 0xFFFFFFFF, 100)),
        avi((b"AVI ", 100, 100), (b"AVIX", 60, 60)),
    ):
        path.write_bytes(content)
        container.check(path)
    path.write_bytes(avi((b"AVI ", 100, 100), (b"AVIX", 60, 30)))
    assert "146 of 176 bytes" in refusal(path)
    container.check(path, accept_damage=True)
