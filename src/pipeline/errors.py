"""The one exception that a user is meant to read."""


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


def first_line(error: Exception) -> str:
    """The first line of what an exception says, or its name when it says nothing."""
    return (str(error) or type(error).__name__).splitlines()[0]
