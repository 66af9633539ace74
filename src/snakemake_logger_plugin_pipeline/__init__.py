"""The config of a command of Snakemake, looked at before Snakemake reads it.

Snakemake reads what follows --configfile and --config before any Snakefile. Of a file that is no
YAML it says no line; of one that is not there, and of a target that is taken for a setting, it
prints a traceback. Its plug-ins for logs are made before that, so this one ends such a command with
a sentence. It logs nothing; `profiles/default` names it.
"""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from snakemake.common.configfile import load_configfile
from snakemake_interface_logger_plugins.base import LogHandlerBase

# Options that take all that follows, up to the next option, for config files and for settings.
FILES, SETTINGS = ("--configfile", "--configfiles"), ("--config", "-C")


class LogHandler(LogHandlerBase):
    """A handler that is made, and handles nothing."""

    writes_to_stream = writes_to_file = needs_rulegraph = False
    has_filter = has_formatter = True

    def __post_init__(self) -> None:
        check(list(taken(sys.argv[1:], FILES)), list(taken(sys.argv[1:], SETTINGS)))

    def emit(self, record) -> None:
        """Nothing is logged."""


def taken(arguments: Sequence[str], options: Sequence[str]) -> Iterator[str]:
    """Yield what `options` take among the arguments of a command of Snakemake."""
    is_taken = False
    for argument in arguments:
        name, equals, value = argument.partition("=")
        if argument == "--":
            return
        if argument.startswith("-"):
            is_taken = name in options and not equals
            if name in options and equals:
                yield value
        elif is_taken:
            yield argument


def check(files: Sequence[str], settings: Sequence[str]) -> None:
    """End Snakemake with a sentence where it cannot take these for config files and settings."""
    try:
        for file in files:
            load_configfile(Path(file))
        for setting in settings:
            setting.index("=")
    except Exception:
        # Only now: the package that a run takes is the one beside its Snakefile.
        from pipeline.errors import PipelineError
        from pipeline.workflow import config_files

        try:
            config_files.check_taken(files, settings)
        except PipelineError as error:
            sys.exit("\n".join(f"error: {line}" for line in str(error).split("\n")))
