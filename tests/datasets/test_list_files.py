"""The lines of lists: encodings, line ends, comments, and what is no file."""

import os
from pathlib import Path

import pytest
from dataset_cases import CURE, refusal

from pipeline.datasets.list_files import read_lines

TEXT = "Run/a.avi 1\nCafé/b.avi 2\n"
LINES = [(1, "Run/a.avi 1"), (2, "Café/b.avi 2")]


@pytest.mark.parametrize(
    "encoding",
    ["utf-8", "utf-8-sig", "utf-16", "utf-32"],
)
def test_encodings_with_a_mark_are_read(tmp_path, encoding):
    path = tmp_path / "list.txt"
    path.write_bytes(TEXT.encode(encoding))
    assert read_lines(path) == LINES
    path.write_bytes(TEXT.replace("\n", "\r\n").encode(encoding))
    assert read_lines(path) == LINES


def test_big_endian(tmp_path):
    (tmp_path / "list.txt").write_bytes(b"\xfe\xff" + TEXT.encode("utf-16-be"))
    assert read_lines(tmp_path / "list.txt") == LINES


def test_joined_files_with_marks(tmp_path):
    (tmp_path / "list.txt").write_bytes(b"\xef\xbb\xbfRun/a 1\n\xef\xbb\xbfRun/b 1\n")
    assert read_lines(tmp_path / "list.txt") == [(1, "Run/a 1"), (2, "Run/b 1")]


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "latin-1", "cp1252"])
def test_other_encodings_are_refused(tmp_path, encoding):
    path = tmp_path / "list.txt"
    path.write_bytes(TEXT.encode(encoding))
    (message,) = refusal(read_lines, path)
    assert message.startswith(f"{path}: not ") and CURE.search(message)


def test_lines_end_in_line_feeds_alone(tmp_path):
    odd = ["Run/a\u2028b.avi 1", "Run/c\u2029d\x85e\x0bf\x0cg\x1ch.avi 1", "Run/\u3000i\u3000.avi"]
    (tmp_path / "list.txt").write_text("\n".join(odd), newline="")
    assert [line for _, line in read_lines(tmp_path / "list.txt")] == odd


def test_a_carriage_return_within_a_line_is_refused(tmp_path):
    path = tmp_path / "list.txt"
    path.write_bytes(b"Run/a 1\rRun/b 1\r")
    (message,) = refusal(read_lines, path)
    assert message.startswith(f"{path}:1:") and "CR" in message and CURE.search(message)


def test_composed_form(tmp_path):
    (tmp_path / "list.txt").write_text("Cafe\u0301/b.avi 2\n")
    assert read_lines(tmp_path / "list.txt") == [(1, "Caf\u00e9/b.avi 2")]


def test_what_is_no_file(tmp_path):
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "nowhere").symlink_to("nothing")
    (tmp_path / "device").symlink_to("/dev/zero")
    for path in tmp_path.iterdir():
        (message,) = refusal(read_lines, path)
        assert message.startswith(f"{path}: ") and CURE.search(message)


def test_a_list_that_must_not_be_read(tmp_path, monkeypatch):
    def refuse(path):
        raise PermissionError(13, "Permission denied")

    (tmp_path / "list.txt").write_text(TEXT)
    monkeypatch.setattr(Path, "read_bytes", refuse)
    (message,) = refusal(read_lines, tmp_path / "list.txt")
    assert "Permission denied" in message and CURE.search(message)
