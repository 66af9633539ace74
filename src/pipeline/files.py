"""Files that are complete or do not exist, and seals, which say what was written to them.

The seal of `<folder>/<name>` is the small file `<folder>/.sums/<name>`. Each of its lines is a
content that the file may have: its SHA-256, its size, checksums of its beginnings, and a checksum
of the line itself, so that a damaged seal is no seal. `replacing` adds a line before the new
content takes its place, so a kill at any moment leaves a file that agrees with its seal. A file
without a seal, as of an earlier version or copied alone, is used unchecked.

Standard library only: the Snakefile imports this module.
"""

import errno
import hashlib
import os
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shlex import quote
from typing import BinaryIO, NamedTuple

from pipeline.errors import MachineError, PipelineError, remake, set_aside

# The folder of the seals of the files beside it; Snakemake does not know it.
SEALS = ".sums"
# Contents that a seal keeps, the last ones: one that is put back from a backup is as good.
CONTENTS_KEPT = 16
# Bytes of the beginnings of a content by which a file that was cut short is known as what is left
# of it, each twice as long as the one before.
SHORTEST_BEGINNING, LONGEST_BEGINNING = 64, 1 << 20
# A file that has changed within so many seconds may change again with the same time stamp.
UNSETTLED_SECONDS = 2
# What the system says where the machine fails, not the path.
MACHINE_ERRORS = (
    errno.EIO,
    errno.ENOMEM,
    errno.EMFILE,
    errno.ENFILE,
    errno.ESTALE,
    errno.ETIMEDOUT,
    errno.EREMOTEIO,
    errno.ENOTCONN,
)
# Begins the note on an error that says which file was being written.
WRITING = "while writing "
# Files that this process has found intact: {path: what `os.stat` said of it then}.
_intact: dict[Path, tuple[int, ...]] = {}


class _Content(NamedTuple):
    """What a file may hold: a line of its seal."""

    sha256: str
    size: int
    # As of `_beginnings`.
    beginnings: tuple[str, ...]


@contextmanager
def replacing(path: str | Path, sealed: bool = True) -> Iterator[Path]:
    """Yield a temporary path to write to, which replaces `path` when the block ends well.

    When the block raises, `path` stays as it was and the temporary file is removed. A file that is
    `sealed` is checked by `require_intact` before it is read.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # The process id comes last, so that no pattern of file extensions matches an unfinished file.
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        yield temporary
        if sealed:
            _seal(path, temporary)
        os.replace(temporary, path)
    except Exception as error:
        # HDF5 and torch do not say which file they could not write.
        error.add_note(f"{WRITING}{path}")
        raise
    finally:
        temporary.unlink(missing_ok=True)


def digest(path: str | Path) -> str:
    """Return 16 hex digits of the SHA-256 of a file's content.

    Raises OSError when the file cannot be read.
    """
    return _sha256(path)[:16]


def seal_of(path: str | Path) -> Path:
    """The path of the seal of a file, whether there is one or not."""
    path = Path(path)
    return path.with_name(SEALS) / path.name


def is_sealed(path: str | Path) -> bool:
    """Whether a seal says what was written to a file."""
    return bool(_contents(path))


def require_intact(path: str | Path, whole: bool = True) -> bool:
    """Check that a file holds what was written to it; False where no seal says what that was.

    With `whole` all of the file is read, once by a process; else its size alone is compared.
    Raises PipelineError when the file has another content or cannot be read, and MachineError when
    the disk fails.
    """
    with reading(path):
        stat = os.stat(path)
        contents = _contents(path)
        if not contents:
            return False
        if stat.st_size not in {content.size for content in contents}:
            raise _changed_error(path, contents)
        key, state = Path(path).absolute(), (stat.st_ino, stat.st_size, stat.st_mtime_ns)
        if not whole or _intact.get(key) == state:
            return True
        if _sha256(path) not in {content.sha256 for content in contents}:
            raise _changed_error(path, contents)
        if time.time() - stat.st_mtime > UNSETTLED_SECONDS:
            _intact[key] = state
        return True


def read_intact(path: str | Path) -> bytes:
    """Return the content of a small file, checked as by `require_intact`, which it raises like."""
    with reading(path):
        content = Path(path).read_bytes()
        contents = _contents(path)
        if contents and hashlib.sha256(content).hexdigest() not in {c.sha256 for c in contents}:
            raise _changed_error(path, contents)
    return content


@contextmanager
def reading(path: str | Path) -> Iterator[None]:
    """Turn the errors of a block that reads a file into sentences.

    None of them says that the file is damaged: nothing of it was seen.
    Raises PipelineError when the file is not there or may not be read, else MachineError.
    """
    try:
        yield
    except FileNotFoundError as error:
        raise PipelineError(
            f"{path}: there is no such file; make it with: snakemake --cores all {quote(str(path))}"
        ) from error
    except IsADirectoryError as error:
        raise PipelineError(f"{path}: this is a folder; name a file") from error
    except PermissionError as error:
        raise PipelineError(
            f"{path}: you may not read it ({error.strerror}); allow it, or ask its owner to: "
            f"chmod a+r {quote(str(path))}"
        ) from error
    except OSError as error:
        reason = error.strerror or str(error)
        if error.errno in MACHINE_ERRORS:
            raise MachineError(
                f"{path}: it cannot be read ({reason}): the machine, its disk or the connection to "
                "it has failed; when that is well again, run the same command again"
            ) from error
        raise PipelineError(
            f"{path}: it cannot be read ({reason}); when the reason is gone, run the same command "
            "again"
        ) from error


def _seal(path: Path, temporary: Path) -> None:
    """Add the content of `temporary` to those that `path` may have, before it replaces `path`."""
    content = _Content(_sha256(temporary), temporary.stat().st_size, _beginnings(temporary))
    contents, seal = _contents(path), seal_of(path)
    if content in contents:
        return
    seal.parent.mkdir(exist_ok=True)
    if len(contents) >= CONTENTS_KEPT:
        with replacing(seal, sealed=False) as shorter:
            shorter.write_bytes(b"".join(map(_line, contents[1 - CONTENTS_KEPT :])))
    with open(seal, "ab+") as file:
        # A line that a kill cut short ends here.
        if file.tell() and not _ends_line(file):
            file.write(b"\n")
        file.write(_line(content))
        file.flush()
        # A power cut must not leave the new content with the old seal.
        os.fsync(file.fileno())


def _ends_line(file: BinaryIO) -> bool:
    """Whether the last byte of an open file, which is not empty, ends a line."""
    file.seek(-1, os.SEEK_END)
    return file.read(1) == b"\n"


def _line(content: _Content) -> bytes:
    """The line of a seal for a content."""
    text = f"{content.sha256} {content.size} {','.join(content.beginnings)}".encode()
    return b"%b %08x\n" % (text, zlib.crc32(text))


def _contents(path: str | Path) -> list[_Content]:
    """The contents that a file may have; none without an undamaged seal."""
    try:
        lines = seal_of(path).read_bytes().splitlines(keepends=True)
    except OSError:
        return []
    contents = []
    for line in lines:
        text, _, checksum = line.rpartition(b" ")
        if checksum == b"%08x\n" % zlib.crc32(text):
            sha256, size, beginnings = text.decode().split(" ")
            contents.append(_Content(sha256, int(size), tuple(beginnings.split(","))))
    return contents


def _sha256(path: str | Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _beginnings(path: str | Path) -> tuple[str, ...]:
    """The CRC-32 of the first 64, 128, 256 .. bytes of a file, up to LONGEST_BEGINNING of them."""
    with open(path, "rb") as file:
        content = file.read(LONGEST_BEGINNING)
    checksums, size = [], SHORTEST_BEGINNING
    while size <= len(content):
        checksums.append(f"{zlib.crc32(memoryview(content)[:size]):08x}")
        size *= 2
    return tuple(checksums)


def _is_own(path: str | Path, contents: list[_Content]) -> bool:
    """Whether a changed file is proven to be the one that was written, not another in its place: it
    has the size, or it is the beginning of what was written, or it is empty.
    """
    size, found = os.stat(path).st_size, _beginnings(path)
    return not size or any(
        size == content.size
        or (found and size < content.size and content.beginnings[: len(found)] == found)
        for content in contents
    )


def _changed_error(path: str | Path, contents: list[_Content]) -> PipelineError:
    """The error to raise for a file that holds something else than `contents`."""
    size = os.stat(path).st_size
    sizes = sorted({content.size for content in contents})
    reason = "its SHA-256 is another"
    if size not in sizes:
        reason = f"{size:,} bytes where {' or '.join(f'{s:,}' for s in sizes)} were written"
    kept = f"to use it as it is: rm {quote(str(seal_of(path)))}"
    if _is_own(path, contents):
        return PipelineError(
            f"{path}: it is not as it was written ({reason}): a disk or a copy has damaged it; "
            f"{remake(path)} (if you have changed it yourself, {kept})"
        )
    return PipelineError(
        f"{path}: it is not what was written there ({reason}): somebody has replaced or changed "
        f"it, or it is damaged; {set_aside(path)} ({kept})"
    )
