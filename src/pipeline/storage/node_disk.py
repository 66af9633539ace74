"""Folders on a disk of the node that a job runs on. Environment variables name them, and are read
on the node, so that '$TMPDIR' is the node's own.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from pipeline.errors import PipelineError


def named_by(variable: str) -> str:
    """Return the folder that an environment variable names, '' where it names none."""
    return os.path.expandvars(os.environ.get(variable, ""))


@contextmanager
def must_be_writable(variable: str) -> Iterator[None]:
    """Raise PipelineError where the block fails to write to the folder of a variable."""
    try:
        yield
    except OSError as error:
        raise PipelineError(
            f"{variable} names {named_by(variable)}, which cannot be written here "
            f"({error.strerror}); correct it, or unset it: unset {variable}"
        ) from error
