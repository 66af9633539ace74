"""The one exception that a user is meant to read."""

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


def first_line(error: Exception) -> str:
    """The first line of what an exception says, or its name when it says nothing."""
    return (str(error) or type(error).__name__).splitlines()[0]
