"""Config files of a command of Snakemake, looked at before Snakemake reads them.

Snakemake reads the files of --configfile before any Snakefile. Of one that is no YAML it says no
line, and of one that is not there a traceback. Its plug-ins for logs are made before that, so this
one ends such a command with a sentence. It logs nothing; `profiles/default` names it.
"""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from snakemake.common.configfile import load_configfile
from snakemake_interface_logger_plugins.base import LogHandlerBase

# Options that take all that follows, up to the next option, for config files.
OPTIONS = ("--configfile", "--configfiles")


class LogHandler(LogHandlerBase):
    """A handler that is made, and handles nothing."""

    writes_to_stream = writes_to_file = needs_rulegraph = False
    has_filter = has_formatter = True

    def __post_init__(self) -> None:
        check(list(named(sys.argv[1:])))

    def emit(self, record) -> None:
        """Nothing is logged."""


def named(arguments: Sequence[str]) -> Iterator[str]:
    """Yield the config files that the arguments of a command of Snakemake name."""
    is_config = False
    for argument in arguments:
        name, equals, value = argument.partition("=")
        if argument == "--":
            return
        if argument.startswith("-"):
            is_config = name in OPTIONS and not equals
            if name in OPTIONS and equals:
                yield value
        elif is_config:
            yield argument


def check(paths: Sequence[str]) -> None:
    """End Snakemake with a sentence where it cannot read one of these config files."""
    try:
        for path in paths:
            load_configfile(Path(path))
    except Exception:
        # Only now: the package that a run takes is the one beside its Snakefile.
        from pipeline.errors import PipelineError
        from pipeline.workflow import config_files

        try:
            config_files.check_named(paths)
        except PipelineError as error:
            sys.exit("\n".join(f"error: {line}" for line in str(error).split("\n")))
