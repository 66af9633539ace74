"""What Snakemake says for us: errors as the sentences that they are, and a note on results of an
earlier version.
"""

import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import wraps
from pathlib import Path

from pipeline.errors import PipelineError
from pipeline.jobs.record import content_path


def exit_on_pipeline_error(function: Callable) -> Callable:
    """The function, and those that it returns, so that a PipelineError ends Snakemake with its
    sentences alone.
    """

    @wraps(function)
    def guarded(*arguments, **options):
        try:
            result = function(*arguments, **options)
        except PipelineError as error:
            sys.exit("\n".join(f"error: {line}" for line in str(error).split("\n")))
        return exit_on_pipeline_error(result) if callable(result) else result

    return guarded


class ExitOnPipelineError:
    """An object whose methods are guarded by `exit_on_pipeline_error`."""

    def __init__(self, guarded):
        self._guarded = guarded

    def __getattr__(self, name: str):
        found = getattr(self._guarded, name)
        return exit_on_pipeline_error(found) if callable(found) else found


def check_folder(folder: Path) -> None:
    """Raise PipelineError for a folder of the workflow whose name Snakemake cannot stand."""
    if set("{}") & set(str(folder)):
        raise PipelineError(
            f"{folder}: Snakemake takes braces in the folder of a workflow for names of its own; "
            "rename the folder, or move the workflow into another one"
        )


def note_earlier_results(sets: Iterable[str], results: Path = Path("results")) -> list[str]:
    """Sentences, each said once, on the sets whose results an earlier version of the pipeline made.

    Such results are not reused: that version kept no content files, which say what an artifact is.
    """
    notes = []
    for name in sets:
        folder, said = results / name, results / name / ".earlier_version_noted"
        records = [
            folder / "index.json",
            *folder.glob("frames/*.json"),
            *folder.glob("flow/*.json"),
        ]
        records = [path for path in records if not path.name.endswith(".content.json")]
        earlier = [path for path in records if path.is_file() and not content_path(path).is_file()]
        if earlier and not said.exists():
            notes.append(
                f"note: {folder} was made by an earlier version, whose artifacts do not say what "
                "they are apart from how they were made; all of it will be made again, file by "
                "file: index, frames, flow, trajectories, networks and scores"
            )
            # In a folder to look at only it is said each time.
            with suppress(OSError):
                said.touch()
    return notes
