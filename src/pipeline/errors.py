"""The one exception that a user is meant to read."""

import difflib
from pathlib import Path
from shlex import quote


class PipelineError(Exception):
    """Bad input. The message is for a person: what is wrong, in which file, what to do about it."""

    @classmethod
    def from_list(cls, problems: list[str]) -> "PipelineError":
        """One error for several problems, a line each, so that a user can mend them all at once."""
        return cls("\n".join(problems))


def require(problems: list[str]) -> None:
    """Raise PipelineError when there is any problem."""
    if problems:
        raise PipelineError.from_list(problems)


def remake(path: str | Path) -> str:
    """What to do about an artifact that is broken."""
    return f"delete it and run snakemake again: rm {quote(str(path))}"


def nearest(word: str, words) -> str:
    """A question for the end of a sentence that refuses `word`: whether the most alike of `words` was meant, if any is."""
    close = difflib.get_close_matches(str(word), [str(w) for w in words], n=1, cutoff=0.5)
    return f"; did you mean '{close[0]}'?" if close else ""


def first_line(error: Exception) -> str:
    """The first line of what an exception says, or its name when it says nothing."""
    return (str(error) or type(error).__name__).splitlines()[0]
