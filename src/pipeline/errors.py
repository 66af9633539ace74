"""The one exception that users read, and what its messages have in common."""

import difflib
from collections.abc import Iterable, Sequence
from pathlib import Path
from shlex import quote


class PipelineError(Exception):
    """Bad input. The message is for a person: what is wrong, in which file, what to do about it."""

    @classmethod
    def from_list(cls, problems: list[str]) -> "PipelineError":
        """Return one error for several problems, one per line, so that a user sees all of them."""
        return cls("\n".join(problems))


class MachineError(PipelineError):
    """The machine failed, not the input: a full disk, a killed process, a broken disk.

    It may pass, so nothing about the input is concluded from it, and the same command goes on.
    """


def listed(names: Sequence[str], count: int = 5) -> str:
    """Return the first `count` names as text, and how many more there are.

    >>> listed(["a", "b", "c"], 2)
    'a, b and 1 more'
    """
    more = len(names) - count
    return ", ".join(names[:count]) + (f" and {more:,} more" if more > 0 else "")


def require(problems: list[str]) -> None:
    """Raise PipelineError with one line per problem, unless the list is empty."""
    if problems:
        raise PipelineError.from_list(problems)


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
