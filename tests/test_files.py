"""Files that are written whole, and the seals by which they are checked."""

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline import files
from pipeline.errors import MachineError, PipelineError, remake
from pipeline.files import read_intact, replacing, require_intact, seal_of


def write(path: Path, content: bytes) -> Path:
    with replacing(path) as temporary:
        temporary.write_bytes(content)
    return path


def flip(path: Path, offset: int) -> None:
    """Flip one bit of a file, and leave its size and its times as they are."""
    stat, content = path.stat(), bytearray(path.read_bytes())
    content[offset] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def test_what_was_written_is_intact_and_nothing_else(tmp_path):
    path = write(tmp_path / "a file.csv", b"content")
    assert require_intact(path) and read_intact(path) == b"content"
    flip(path, 3)
    for read in (require_intact, read_intact):
        with pytest.raises(PipelineError) as caught:
            read(path)
        message = str(caught.value)
        assert message.startswith(f"{path}: ") and "SHA-256" in message and "\n" not in message
        assert f"rm '{path}'" in message and f"rm '{seal_of(path)}'" in message
    flip(path, 3)
    assert require_intact(path)


@pytest.mark.parametrize("size", [0, 64, 100, 1500, 1999])
def test_a_file_cut_short_is_known_as_what_is_left(tmp_path, size):
    content = os.urandom(2000)
    path = write(tmp_path / "a", content)
    path.write_bytes(content[:size])
    for whole in (True, False):
        with pytest.raises(PipelineError) as caught:
            require_intact(path, whole)
        message = str(caught.value)
        assert (
            f"{size:,} bytes where 2,000 were written" in message and f"; {remake(path)}" in message
        )


@pytest.mark.parametrize(
    "other", [b"x", b"a foreign file" * 100, b"a longer foreign file" * 1000], ids=len
)
def test_another_file_in_its_place_is_not_to_be_deleted(tmp_path, other):
    path = write(tmp_path / "a b", os.urandom(2000))
    path.write_bytes(other)
    for check in (require_intact, read_intact):
        with pytest.raises(PipelineError) as caught:
            check(path)
        message = str(caught.value)
        assert f"rm '{path}'" not in message and f"mv '{path}' '{path}.old'" in message
        assert message.endswith(f"(to use it as it is: rm '{seal_of(path)}')")


def test_size_alone_does_not_read_the_file(tmp_path):
    path = write(tmp_path / "a", b"content")
    flip(path, 0)
    assert require_intact(path, whole=False)


@pytest.mark.parametrize("cure", [0, 1])
def test_the_commands_of_the_sentence_are_cures(tmp_path, cure):
    """One has the file made again, the other keeps it as it is."""
    path = write(tmp_path / "it's a", b"content")
    path.write_bytes(b"edited!")
    with pytest.raises(PipelineError) as caught:
        read_intact(path)
    commands = [part.partition(" (")[0].rstrip(")") for part in str(caught.value).split("rm ")[1:]]
    subprocess.run(f"rm {commands[cure]}", shell=True, check=True)
    if cure == 0:
        assert not path.exists()
        write(path, b"content")
    assert read_intact(path) == [b"content", b"edited!"][cure]


def test_files_without_a_seal_are_used_unchecked(tmp_path):
    (tmp_path / "a").write_bytes(b"copied alone")
    assert not require_intact(tmp_path / "a") and read_intact(tmp_path / "a") == b"copied alone"
    with replacing(tmp_path / "b", sealed=False) as temporary:
        temporary.write_bytes(b"a picture")
    assert not files.is_sealed(tmp_path / "b") and not (tmp_path / files.SEALS).exists()


def test_a_damaged_seal_accuses_nobody(tmp_path):
    path = write(tmp_path / "a", b"content")
    whole = seal_of(path).read_bytes()
    for damaged in (
        *(whole[:i] + bytes([whole[i] ^ 1]) + whole[i + 1 :] for i in range(len(whole))),
        *(whole[:i] for i in range(len(whole))),
        bytes(len(whole)),
        b"\xff\xfe \xb2 x\n",
    ):
        seal_of(path).write_bytes(damaged)
        assert read_intact(path) == b"content"
    # What is written next is sealed again, also behind a line that was cut short.
    seal_of(path).write_bytes(whole[:20])
    write(path, b"another")
    flip(path, 0)
    with pytest.raises(PipelineError):
        require_intact(path)


def test_contents_before_the_last_are_good_too(tmp_path):
    """As of a backup; the seal does not grow with the number of writings."""
    path = tmp_path / "checkpoint.pt"
    for number in range(100):
        write(path, f"content {number}".encode())
    assert len(seal_of(path).read_text().splitlines()) <= files.CONTENTS_KEPT
    path.write_bytes(b"content 98")
    assert require_intact(path)
    path.write_bytes(b"content 1")
    with pytest.raises(PipelineError):
        require_intact(path)
    write(path, b"content 99")
    assert seal_of(path).read_text().count("\n") <= files.CONTENTS_KEPT


KILL = """
import os, signal, sys
from pipeline import files
step, path = sys.argv[1:]
def die(*arguments, **options):
    os.kill(os.getpid(), signal.SIGKILL)
if step == "before the seal":
    files._seal = die
elif step == "within the seal":
    files._line = lambda content, line=files._line: line(content)[:-5]
    os.fsync = die
elif step == "before the file":
    os.replace = die
with files.replacing(path) as temporary:
    temporary.write_bytes(b"new content")
die()
"""


@pytest.mark.parametrize(
    "step", ["before the seal", "within the seal", "before the file", "after the file"]
)
@pytest.mark.parametrize("before", [None, b"old content"])
def test_a_kill_at_any_moment_leaves_a_good_file(tmp_path, step, before):
    path = tmp_path / "a"
    if before:
        write(path, before)
    done = subprocess.run([sys.executable, "-c", KILL, step, str(path)])
    assert done.returncode == -signal.SIGKILL
    expected = b"new content" if step == "after the file" else before
    assert (read_intact(path) if path.exists() else None) == expected
    write(path, b"third content")
    assert require_intact(path)


def test_files_are_read_once_by_a_process(tmp_path, monkeypatch):
    path, read = write(tmp_path / "a", b"content"), []
    os.utime(path, (1e9, 1e9))
    monkeypatch.setattr(
        files, "_sha256", lambda path, f=files._sha256: read.append(path) or f(path)
    )
    assert require_intact(path) and require_intact(path) and read == [path]
    write(path, b"contend")
    os.utime(path, (1e9 + 1, 1e9 + 1))
    assert require_intact(path) and len(read) == 3


@pytest.mark.parametrize(
    "number, kind, words",
    [
        (errno.EIO, MachineError, "Input/output error"),
        (errno.ESTALE, MachineError, "Stale"),
        (errno.EACCES, PipelineError, "chmod a+r"),
        (errno.ENOENT, PipelineError, "snakemake --cores all"),
        (errno.EISDIR, PipelineError, "folder"),
        (errno.ELOOP, PipelineError, "symbolic links"),
    ],
)
def test_what_cannot_be_read_is_not_called_damaged(tmp_path, monkeypatch, number, kind, words):
    path = write(tmp_path / "a b", b"content")

    def fail(*arguments, **options):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(files, "_sha256", fail)
    monkeypatch.setattr(Path, "read_bytes", fail)
    with pytest.raises(PipelineError) as caught, files.reading(path):
        fail()
    message = str(caught.value)
    assert type(caught.value) is kind and words in message
    assert message.startswith(f"{path}: ") and "rm " not in message and "\n" not in message
