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
