"""The config files of a run: which one is to blame for a fault, and targets that are taken for one.

Standard library and yaml only: the Snakefile imports this module, and the plug-in that looks at
config files before Snakemake reads them (`snakemake_logger_plugin_pipeline`).
"""

import os
from collections.abc import Sequence
from pathlib import Path

from pipeline.config import check as checks
from pipeline.config import settings, spelling
from pipeline.errors import PipelineError


def check_taken(files: Sequence[str], values: Sequence[str]) -> None:
    """Raise PipelineError, with file and line, where what follows --configfile is no config: no
    YAML, not there, or a target; or where what follows --config is no setting.
    """
    wrong = [value for value in values if "=" not in value]
    if wrong:
        raise PipelineError(
            f"{wrong[0]} is no setting, but all that follows --config is taken for settings, "
            f"NAME=VALUE; put -- before targets: -- {' '.join(wrong)}"
        )
    refuse_targets(files)
    for file in files:
        spelling.read(Path(file))


def refuse_targets(paths: Sequence[str | Path]) -> None:
    """Raise PipelineError where targets of a command were taken for config files."""
    targets = [shown(path) for path in paths if _is_target(Path(path))]
    if targets:
        configs = [name for name in map(shown, paths) if name not in targets]
        words = ["--configfile", *(configs or ["FILE"]), "--", *targets]
        raise PipelineError(
            f"{targets[0]} is a target, but all that follows --configfile is taken for config "
            f"files; put -- before the targets: {' '.join(words)}"
        )


def check(config: dict, paths: Sequence[Path]) -> None:
    """Check a config that was merged from `paths`, each of which is laid over those before it.

    Raises PipelineError as `config.check.check` does, with the name of the file that brought the
    fault in.
    """
    names = [shown(path) for path in paths]
    try:
        checks.check(config, source(paths))
    except PipelineError:
        merged: dict = {}
        for path, name in zip(paths, names, strict=True):
            settings.overlay(merged, spelling.read(path))
            checks.check(merged, name)
        # Each file is sound, so it came from --config.
        raise


def source(paths: Sequence[Path]) -> str:
    """Return the names of the files that users gave, or of the one that is always there."""
    return ", ".join(shown(path) for path in paths[1:] or paths)


def shown(path: str | Path) -> str:
    """Return a path as one would type it here."""
    inside = Path(path).absolute().is_relative_to(Path.cwd())
    return os.path.relpath(path) if inside else str(path)


def _is_target(path: Path) -> bool:
    is_yaml = path.suffix in (".yaml", ".yml")
    return not is_yaml and ("results" in path.parts or not (path.suffix or path.exists()))
