"""Files that are complete or do not exist, and seals, which say what was written to them.

The seal of `<folder>/<name>` is the small file `<folder>/.sums/<name>`. Each of its lines is a
content that the file may have: its SHA-256, its size, and a checksum of the line itself, so that a
damaged seal is no seal. `replacing` adds a line before the new content takes its place, so a kill
at any moment leaves a file that agrees with its seal. A file without a seal, as of an earlier
version or copied alone, is used unchecked.

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
from typing import BinaryIO

from pipeline.errors import MachineError, PipelineError, remake

# The folder of the seals of the files beside it; Snakemake does not know it.
SEALS = ".sums"
# Contents that a seal keeps, the last ones: one that is put back from a backup is as good.
CONTENTS_KEPT = 16
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
# Files that this process has found intact: {path: what `os.stat` said of it then}.
_intact: dict[Path, tuple[int, ...]] = {}


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
        if stat.st_size not in {size for _, size in contents}:
            written = " or ".join(f"{size:,}" for size in sorted({size for _, size in contents}))
            raise _changed_error(path, f"{stat.st_size:,} bytes where {written} were written")
        if not whole:
            return True
        key, state = Path(path).absolute(), (stat.st_ino, stat.st_size, stat.st_mtime_ns)
        if _intact.get(key) != state:
            if _sha256(path) not in {sha256 for sha256, _ in contents}:
                raise _changed_error(path, "its SHA-256 is another")
            if time.time() - stat.st_mtime > UNSETTLED_SECONDS:
                _intact[key] = state
        return True


def read_intact(path: str | Path) -> bytes:
    """Return the content of a small file, checked as by `require_intact`, which it raises like."""
    with reading(path):
        content = Path(path).read_bytes()
    contents = _contents(path)
    if contents and (hashlib.sha256(content).hexdigest(), len(content)) not in contents:
        # It says which of the two differs.
        require_intact(path)
        raise _changed_error(path, "it was changed while it was read")
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
    content = (_sha256(temporary), temporary.stat().st_size)
    contents, seal = _contents(path), seal_of(path)
    if content in contents:
        return
    seal.parent.mkdir(exist_ok=True)
    if len(contents) >= CONTENTS_KEPT:
        with replacing(seal, sealed=False) as shorter:
            shorter.write_text("".join(map(_line, contents[1 - CONTENTS_KEPT :])), "ascii")
    with open(seal, "ab+") as file:
        # A line that a kill cut short ends here.
        if file.tell() and not _ends_line(file):
            file.write(b"\n")
        file.write(_line(content).encode())
        file.flush()
        # A power cut must not leave the new content with the old seal.
        os.fsync(file.fileno())


def _ends_line(file: BinaryIO) -> bool:
    """Whether the last byte of an open file, which is not empty, ends a line."""
    file.seek(-1, os.SEEK_END)
    return file.read(1) == b"\n"


def _line(content: tuple[str, int]) -> str:
    """The line of a seal for a content, (SHA-256, size)."""
    text = f"{content[0]} {content[1]}"
    return f"{text} {zlib.crc32(text.encode()):08x}\n"


def _contents(path: str | Path) -> list[tuple[str, int]]:
    """The contents that a file may have, each (SHA-256, size); none without an undamaged seal."""
    try:
        lines = seal_of(path).read_bytes().splitlines(keepends=True)
    except OSError:
        return []
    contents = []
    for line in lines:
        sha256, _, rest = line.partition(b" ")
        size = rest.partition(b" ")[0]
        if size.isdigit() and line == _line(content := (sha256.decode("latin"), int(size))).encode(
            "latin"
        ):
            contents.append(content)
    return contents


def _sha256(path: str | Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _changed_error(path: str | Path, reason: str) -> PipelineError:
    """The error to raise for a file that is this pipeline's and has another content now."""
    return PipelineError(
        f"{path}: it is not as it was written ({reason}): the disk or a copy has damaged it, or "
        f"somebody has changed it; {remake(path)} (if you have changed it yourself, keep it by: "
        f"rm {quote(str(seal_of(path)))})"
    )
