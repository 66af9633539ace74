"""Bring about every fault that the suites of this folder know, and print how each kind ended.

    python tests/faults/run.py --seed 1                      # all of it, as `make faults`
    python tests/faults/run.py --suites damage --scale 0.1   # a tenth of one suite

The same seed brings about the same faults. Ends with status 1 when any trial ended wrong.
"""

import argparse
import importlib
import json
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

# The tests' own folder, as pytest has it, and the programs of this interpreter.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from faults.trials import Trial, table, wrong

SUITES = ("clips", "damage", "mutations", "full_disk", "kills")


def main() -> None:
    options = _parser().parse_args()
    trials, seconds = [], {}
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        for suite in options.suites:
            begun = time.monotonic()
            trials += _run_suite(suite, options.seed, options.scale, Path(folder) / suite)
            seconds[suite] = round(time.monotonic() - begun)
    print(table(trials))
    problems = wrong(trials)
    for problem in problems:
        print(f"wrong: {problem}")
    took = ", ".join(f"{suite} {time} s" for suite, time in seconds.items())
    print(f"seed {options.seed}: {len(trials)} trials, {len(problems)} ended wrong ({took})")
    if options.json:
        result = {"seed": options.seed, "seconds": seconds, "trials": list(map(asdict, trials))}
        Path(options.json).write_text(json.dumps(result, indent=1) + "\n")
    sys.exit(bool(problems))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seed", type=int, default=1, help="of the random numbers (default 1)")
    parser.add_argument(
        "--scale", type=float, default=1.0, help="share of the trials to do (default 1, all)"
    )
    parser.add_argument("--suites", nargs="+", choices=SUITES, default=SUITES, metavar="SUITE")
    parser.add_argument("--folder", help="where to work (default: a temporary folder)")
    parser.add_argument("--json", help="file to write every trial to")
    return parser


def _run_suite(suite: str, seed: int, scale: float, folder: Path) -> list[Trial]:
    """Do the trials of one suite in a new `folder`, with a line for each that ends wrong."""
    folder.mkdir()
    trials = []
    for trial in importlib.import_module(f"faults.{suite}").run(seed, scale, folder):
        trials.append(trial)
        if not trial.right:
            print(wrong([trial])[0], file=sys.stderr, flush=True)
        elif len(trials) % 50 == 0:
            print(f"{suite}: {len(trials)} trials", file=sys.stderr, flush=True)
    return trials


if __name__ == "__main__":
    main()
