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


def reading_parser(description: str, *options: str, record: bool = True) -> argparse.ArgumentParser:
    """`parser` with the number of processes that read for this one."""
    result = parser(description, *options, record=record)
    result.add_argument("--workers", type=int, default=0, help="processes that read for this one")
    return result


def workers(options: argparse.Namespace) -> int:
    """How many processes are to read: as many as this one may use cores, at most."""
    return min(options.workers, len(os.sched_getaffinity(0)))


def training_parser(description: str, *options: str) -> argparse.ArgumentParser:
    """`parser` with what every training takes: its clips, where its outputs go, the records of its inputs, how it is run."""
    result = reading_parser(description, "set", "split", "clips", "checkpoints", "history", "model", *options)
    result.add_argument("--records", nargs="+", required=True, help="records of what it reads")
    result.add_argument("--accumulate", type=int, default=1, help="parts in which a batch passes through the network")
    return result


def plan(options: argparse.Namespace, schedule: str) -> dict:
    """The plan of a training (`pipeline.train.train`): its `schedule` in the settings, and how it is run."""
    how = {"workers": workers(options), "accumulate": options.accumulate}
    return options.settings[schedule] | options.settings["compute"] | how


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


def identity(options: argparse.Namespace) -> dict:
    """What a training is of: its settings, its code and the content of its inputs. Only a checkpoint of the same goes on."""
    inputs = [read_record(path)["digest"] for path in sorted(options.records)]
    settings = {name: value for name, value in options.settings.items() if name != "compute"}  # `train` looks at those
    return {"settings": settings, "code": options.code,
            "inputs": hashlib.sha256(json.dumps(inputs).encode()).hexdigest()[:16]}
