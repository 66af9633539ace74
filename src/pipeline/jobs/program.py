"""What the programs of workflow/scripts share: their options, and how they end."""

import argparse
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

from pipeline.errors import PipelineError


def parser(description: str, *options: str, record: bool = True) -> argparse.ArgumentParser:
    """A parser with --settings (JSON), --code, --record, and a required text option for each of `options`."""
    result = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    result.add_argument(
        "--settings", type=json.loads, required=True, help="the settings that it reads, as JSON"
    )
    result.add_argument(
        "--code", default="unknown", help="the id of the code that runs (pipeline.codeid)"
    )
    if record:
        result.add_argument(
            "--record", type=Path, required=True, help="the record to write beside the output"
        )
    for option in options:
        result.add_argument(f"--{option}", required=True)
    return result


def reading_parser(description: str, *options: str, record: bool = True) -> argparse.ArgumentParser:
    """`parser` with the number of processes that read for this one."""
    result = parser(description, *options, record=record)
    result.add_argument("--workers", type=int, default=0, help="processes that read for this one")
    return result


def workers(options: argparse.Namespace) -> int:
    """How many processes are to read: as many as this one may use cores, at most."""
    return min(options.workers, len(os.sched_getaffinity(0)))


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
