"""What the programs of workflow/scripts share: their options, and how they end."""

import argparse
import hashlib
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

from pipeline.errors import PipelineError
from pipeline.record import read as read_record


def parser(description: str, *options: str, record: bool = True) -> argparse.ArgumentParser:
    """A parser with --settings (JSON), --code, --record, and a required text option for each of `options`."""
    result = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    result.add_argument("--settings", type=json.loads, required=True, help="the settings that it reads, as JSON")
    result.add_argument("--code", default="unknown", help="the id of the code that runs (pipeline.codeid)")
    if record:
        result.add_argument("--record", type=Path, required=True, help="the record to write beside the output")
    for option in options:
        result.add_argument(f"--{option}", required=True)
    return result


def run(main: Callable[[], None]) -> None:
    """Call `main`; bad input ends the program with status 1 and its sentences, without a traceback."""
    try:
        main()
    except PipelineError as error:
        for line in str(error).splitlines():
            print(f"error: {line}", file=sys.stderr)
        sys.exit(1)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


def inputs_digest(records: list[str]) -> str:
    """One digest for the artifacts behind `records`: a training goes on only from a checkpoint on the same inputs."""
    digests = [read_record(path)["digest"] for path in sorted(records)]
    return hashlib.sha256(json.dumps(digests).encode()).hexdigest()[:16]


def file_digest(path: str | Path) -> str:
    """16 hex digits over a file's content."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]
