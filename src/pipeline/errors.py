"""The one exception that users read, and what its messages have in common."""

import difflib
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from shlex import quote

# So many problems are all told; of more, the first FEW, and all of them go to a file.
MOST_TOLD = 10
FEW = 5


class PipelineError(Exception):
    """Bad input. The message is for a person: what is wrong, in which file, what to do about it.

    `whole` are the lines that the message shortens, for a file (`listed_in`); none where it
    shortens nothing.
    """

    def __init__(self, message: str = "", whole: Sequence[str] = ()):
        super().__init__(message)
        self.whole = list(whole)

    @property
    def problems(self) -> list[str]:
        """All that is wrong, one line each."""
        return self.whole or str(self).split("\n")

    @classmethod
    def of_names(cls, message: str, names: Sequence[str]) -> "PipelineError":
        """Return an error whose message tells some of `names` by `listed`; a file has all."""
        return cls(message, names if len(names) > FEW else ())

    @classmethod
    def from_list(cls, problems: list[str], details: Sequence[str] = ()) -> "PipelineError":
        """Return one error for several problems, one per line, so that a user sees all of them.

        Of more than MOST_TOLD problems the message has the first FEW and the count of the others.
        `details` are lines that the problems themselves shorten.
        """
        told = list(problems)
        if len(problems) > MOST_TOLD:
            told[FEW:] = [f"{len(problems) - FEW:,} more problems like these"]
        shortened = len(told) < len(problems) or details
        return cls("\n".join(told), [*problems, *details] if shortened else [])


class MachineError(PipelineError):
    """The machine failed, not the input: a full disk, a killed process, a broken disk.

    It may pass, so nothing about the input is concluded from it, and the same command goes on.
    """


@contextmanager
def listed_in(path: str | Path) -> Iterator[None]:
    """Have all that the message of a PipelineError shortens written to the file `path`.

    The message then names the file. Where it cannot be written, the message stays as it is. A file
    of an earlier error is removed when the block ends well.
    """
    path = Path(path)
    try:
        yield
    except PipelineError as error:
        if error.whole and _write_lines(path, error.whole):
            error.args = (f"{error}\nall of them are listed in {path}",)
            error.whole = []
        raise
    with suppress(OSError):
        path.unlink(missing_ok=True)


def _write_lines(path: Path, lines: Sequence[str]) -> bool:
    """Write a file of lines, whole or not at all; return whether that went well."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        text = "".join(f"{line}\n" for line in lines)
        # Names on the disk may be no UTF-8.
        temporary.write_text(text, encoding="utf-8", errors="surrogateescape")
        os.replace(temporary, path)
    except OSError:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        return False
    return True


def listed(names: Sequence[str], count: int = FEW) -> str:
    """Return the first `count` names as text, and how many more there are.

    >>> listed(["a", "b", "c"], 2)
    'a, b and 1 more'
    """
    more = len(names) - count
    return ", ".join(names[:count]) + (f" and {more:,} more" if more > 0 else "")


def require(problems: list[str], details: Sequence[str] = ()) -> None:
    """Raise PipelineError with one line per problem, unless the list is empty.

    `details` are lines for a file that the problems shorten.
    """
    if problems:
        raise PipelineError.from_list(problems, details)


def remake(path: str | Path) -> str:
    """Return the end of a message about a file that is proven to be broken and the pipeline's own:
    how to have it made again.
    """
    return f"delete it and run the same snakemake command again: rm {quote(str(path))}"


def set_aside(path: str | Path) -> str:
    """Return the end of a message about a file that may be good elsewhere, or somebody's own: how
    to have another made in its place, so that nothing is lost.
    """
    name = quote(str(path))
    return (
        "if the pipeline is to make it anew, move it away and run the same snakemake command "
        f"again: mv {name} {quote(f'{path}.old')}"
    )


def nearest(word: str, words: Iterable) -> str:
    """Return the end of a message that refuses `word`: whether the nearest of `words` was meant.

    It is empty when none of `words` is near.
    """
    close = difflib.get_close_matches(str(word), [str(w) for w in words], n=1, cutoff=0.5)
    return f"; did you mean '{close[0]}'?" if close else ""


def first_line(error: Exception) -> str:
    """Return the first line of the message of an exception, or its type when it has none."""
    return (str(error) or type(error).__name__).splitlines()[0]
