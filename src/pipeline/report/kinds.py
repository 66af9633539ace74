"""What a file is, by its first bytes, for errors about one of another kind than is wanted.

Nothing is unpickled or unpacked, and of a large file the beginning alone is read.
"""

import codecs
import json
import os
import stat
import zipfile
from contextlib import suppress
from pathlib import Path

from pipeline.files import reading

# Bytes that are read of the beginning of a file, and of a JSON file.
BEGINNING, LARGEST_JSON = 4096, 64 << 20
HDF5, TORCH, JSON, TEXT = "an HDF5 file", "a file of PyTorch", "a JSON file", "a text file"
RESULT = "a result, which `pipeline show` prints"
TABLES = "tables of results, which `pipeline show` prints"
# Where the beginnings of kinds stand in a file, those beginnings, and what the file is.
SIGNATURES = (
    (0, b"\x89HDF\r\n\x1a\n", HDF5),
    (0, b"\x89PNG\r\n\x1a\n", "a PNG picture"),
    (0, b"\xff\xd8\xff", "a JPEG picture"),
    (0, b"GIF8", "a GIF picture"),
    (8, b"AVI ", "an AVI video"),
    (8, b"WEBP", "a WebP picture"),
    (4, b"ftyp", "an MP4 video"),
    (0, b"\x1aE\xdf\xa3", "a Matroska or WebM video"),
    (0, b"\x00\x00\x01\xba", "an MPEG video"),
    (0, b"%PDF", "a PDF document"),
    (0, b"\x93NUMPY", "a NumPy array (.npy)"),
    (0, b"MATLAB 5.0", "a MATLAB file"),
    (0, b"PIEH", "a flow field (.flo)"),
    (0, b"\x1f\x8b", "a gzip archive"),
    (0, b"BZh", "a bzip2 archive"),
    (0, b"\xfd7zXZ\x00", "an xz archive"),
    (0, b"7z\xbc\xaf'\x1c", "a 7z archive"),
    (0, b"Rar!", "a RAR archive"),
    (257, b"ustar", "a tar archive"),
    (0, b"SQLite format 3", "an SQLite database"),
    (0, b"\x7fELF", "a program"),
)
# How torch wrote files before version 1.6: a pickled number.
OLD_TORCH = b"\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19"
ZIP, PICKLE = b"PK\x03\x04", b"\x80"
# What is in an object of JSON, and what the file is.
OBJECTS = (
    ({"accuracy", "headline"}, RESULT),
    ({"rows", "seeds"}, TABLES),
    ({"stage", "digest", "settings"}, "the record of how a file was made"),
)


def what_is(path: str | Path) -> str:
    """What a path is, such as 'a PNG picture', 'a folder' or 'an empty file'.

    Raises PipelineError where there is none, or it cannot be read.
    """
    with reading(path):
        mode = os.stat(path).st_mode
        # To read a pipe would take for ever.
        if not stat.S_ISREG(mode):
            return _other_than_file(mode)
        with open(path, "rb") as file:
            beginning = file.read(BEGINNING)
    if not beginning:
        return "an empty file"
    for place, signature, what in SIGNATURES:
        if beginning[place:].startswith(signature):
            return what
    if beginning.startswith(ZIP):
        return _archive(path)
    if beginning.startswith(PICKLE) and beginning[1:2] in b"\x02\x03\x04\x05":
        is_torch = beginning[2:].startswith(OLD_TORCH)
        return "a pickled file" + (" of an old version of PyTorch" if is_torch else "")
    # A number of bytes, and JSON of so many.
    if beginning[8:9] == b"{" and not any(beginning[4:8]):
        return "a file of weights (safetensors)"
    return _text(path, beginning)


def _other_than_file(mode: int) -> str:
    kinds = {stat.S_ISDIR: "a folder", stat.S_ISFIFO: "a named pipe", stat.S_ISSOCK: "a socket"}
    return next((what for is_kind, what in kinds.items() if is_kind(mode)), "a device")


def _archive(path: str | Path) -> str:
    """What a zip archive is, by the names in it."""
    names: list[str] = []
    with suppress(OSError, ValueError, zipfile.BadZipFile), zipfile.ZipFile(path) as file:
        names = file.namelist()
    if any(name.rpartition("/")[2] == "data.pkl" for name in names):
        return TORCH
    if "run.json" in names:
        return "a trained run as `pipeline export` packs it, which `pipeline predict` takes"
    if names and all(name.endswith(".npy") for name in names):
        return "an archive of NumPy arrays (.npz)"
    return "a zip archive" if names else "a damaged zip archive"


def _text(path: str | Path, beginning: bytes) -> str:
    """What a file of text is; any other is of no known kind."""
    try:
        # A sign may be cut at the end of what was read.
        decoder = codecs.getincrementaldecoder("utf-8")()
        text = decoder.decode(beginning, final=len(beginning) < BEGINNING)
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        return "a file of no kind that is known here"
    if text.lstrip()[:1] not in ("{", "["):
        return TEXT
    found = None
    with suppress(OSError, ValueError, RecursionError):
        if os.stat(path).st_size <= LARGEST_JSON:
            found = json.loads(Path(path).read_bytes())
    if not isinstance(found, dict | list):
        return TEXT
    keys = set(found) if isinstance(found, dict) else set()
    return next((what for wanted, what in OBJECTS if wanted <= keys), JSON)
