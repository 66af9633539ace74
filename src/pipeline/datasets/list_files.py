"""The lines of a split list, whatever program wrote the file.

Standard library only: the Snakefile imports this module.
"""

import codecs
import os
import stat
import unicodedata
from pathlib import Path

from pipeline.errors import PipelineError

# What a file begins with in each encoding that editors write, the longest marks first.
MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# A byte order mark within a file, where two files were joined.
MARK = "\ufeff"


def read_lines(path: Path) -> list[tuple[int, str]]:
    """Return (line number, line) of every line that is not blank, without blanks at its ends.

    Lines end in LF or CRLF alone, since names may hold what Unicode also calls the end of a line.
    The text is UTF-8, or has a byte order mark, and comes in Unicode's composed form (NFC).

    Raises PipelineError when the path is no file that can be read, or holds no such text.
    """
    text = unicodedata.normalize("NFC", _read_text(path))
    lines = []
    for number, line in enumerate(text.split("\n"), start=1):
        stripped = line.removesuffix("\r").lstrip(MARK).strip(" \t")
        if "\r" in stripped:
            raise PipelineError(
                f"{path}:{number}: a carriage return (CR) within the line; write LF or CRLF at the "
                "end of each line"
            )
        if stripped:
            lines.append((number, stripped))
    return lines


def _read_text(path: Path) -> str:
    """Return the text of a regular file. Anything else is never opened: a pipe would hang."""
    try:
        mode = os.stat(path).st_mode
        if not stat.S_ISREG(mode):
            what = "a folder" if stat.S_ISDIR(mode) else "no regular file"
            raise PipelineError(f"{path}: {what}, where a split list is wanted; replace it")
        content = path.read_bytes()
    except OSError as error:
        raise PipelineError(
            f"{path}: the list cannot be read ({error.strerror}); correct its permissions, or "
            "replace it"
        ) from error
    encoding = next((name for mark, name in MARKS if content.startswith(mark)), "utf-8")
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        raise PipelineError(
            f"{path}: not {encoding.upper().removesuffix('-SIG')} text ({error.reason} at byte "
            f"{error.start}); write it as UTF-8"
        ) from error
    if "\0" in text:
        raise PipelineError(
            f"{path}: not text, or UTF-16 without a byte order mark (a zero at byte "
            f"{content.index(0)}); write it as UTF-8"
        )
    return text
