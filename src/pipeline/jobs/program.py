"""What the programs of workflow/scripts share: their options, and how they end."""

import argparse
import json
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path

from pipeline.errors import MachineError, PipelineError, listed_in
from pipeline.jobs import agreement, machine, watch
from pipeline.jobs.record import content_path, log
from pipeline.jobs.reuse import Reuse, input_digest, shards_of

# What each text option means, with its unit or format; programs share the options by these names.
OPTIONS = {
    "checkpoints": "folder of the checkpoints from which an interrupted training run resumes",
    "clips": "table of the clips (CSV)",
    "codebook": "codebooks of the descriptors (HDF5)",
    "direction": "appearance-to-motion or motion-to-appearance",
    "entry": "entry of the set in the config, with the folders of its videos and lists, as JSON",
    "examined": "folder of the tables of the examined shards (<shard>.csv)",
    "fisher": "folder of the shards of Fisher vectors (<shard>.h5)",
    "flow": "folder of the shards of optical flow (<shard>.h5)",
    "frames": "folder of the shards of frames (<shard>.h5)",
    "groups": "class rankings of the stream's training clips, from which class groups form (HDF5)",
    "groups-sequence": "like --groups, of the stream that gives a sequence of instants (HDF5)",
    "groups-single": "like --groups, of the stream that gives a single instant (HDF5)",
    "history": "losses and learning rates to write at intervals of iterations (JSON lines)",
    "index": "table to write of all clips of the set (CSV)",
    "json": "result to write for programs (JSON)",
    "lists": "folder to write the split lists to",
    "markdown": "tables to write for people (Markdown)",
    "model": "network's parameters (.pt): written by a training program, otherwise read",
    "out": "file to write (HDF5, or CSV for a table of clips)",
    "png": "picture to write of the confusion matrix (PNG)",
    "results": "folder of the set's results, results/<set>",
    "run": "which run: <split>, <split>/<variant> or either with /seed<n> after it",
    "samples": "folder of the shards of sampled trajectories (<shard>.h5)",
    "scores": "file of scores of another program (.h5, .npz or .mat)",
    "set": "name of the set in the config, as in results/<set>",
    "shard": "number of the shard of the set, with leading zeros as in its file names",
    "shards": "folder of the shards of the stream's frames or flow (<shard>.h5)",
    "shards-sequence": "like --shards, of the stream that gives a sequence of instants",
    "shards-single": "like --shards, of the stream that gives a single instant",
    "split": "name of the split, such as split1",
    "stream": "appearance (frames) or motion (optical flow)",
    "subset": "train or test",
    "svm": "linear SVMs of the classes (HDF5)",
    "test": "table of the split's test clips (CSV)",
    "train": "table of the split's training clips (CSV)",
    "videos": "folder of the videos",
    "weights": "file of the weights to start from, or imagenet, or none",
}

# Options that tell what a job is about, beside its inputs, settings and code.
SUBJECT = ("set", "split", "stream", "direction", "sources")
# Options whose text is JSON.
JSON_OPTIONS = ("entry",)


# Signals that ask a program to stop: of a closed terminal, of Ctrl-C, and of others.
STOPPING = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)
# Seconds that a stopping program has for what a library or another process does for it.
GRACE = 15.0


class Stopped(BaseException):
    """A signal asked this program to stop. It is no Exception, so that no reader takes it for one.

    The argument is the number of the signal.
    """


def read_json(text: str):
    """Return the value of an option that is JSON, or '@' and the path of a file of JSON.

    Raises ValueError for other text, OSError where there is no such file.
    """
    return json.loads(Path(text[1:]).read_text(encoding="utf-8") if text[:1] == "@" else text)


def parser(description: str, *options: str, record: bool = True) -> argparse.ArgumentParser:
    """Return a parser with --settings (JSON), --code, --record and the required text `options`.

    Raises KeyError when one of the `options` has no help text in OPTIONS.
    """
    result = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    result.add_argument(
        "--settings",
        type=read_json,
        required=True,
        help="settings that the program reads, as JSON, or @ and a file of it",
    )
    result.add_argument(
        "--code", default="unknown", help="id of the code that runs (pipeline.jobs.code_id)"
    )
    result.add_argument(
        "--wanted",
        help="settings of the config that the inputs must have been made with (JSON); without it "
        "they are not compared",
    )
    if record:
        result.add_argument(
            "--record", type=Path, required=True, help="record to write next to the output (JSON)"
        )
    for option in options:
        kind = read_json if option in JSON_OPTIONS else str
        result.add_argument(f"--{option}", required=True, type=kind, help=OPTIONS[option])
    return result


def reading_parser(description: str, *options: str, record: bool = True) -> argparse.ArgumentParser:
    """Return a `parser` that has --workers and --device, too."""
    result = parser(description, *options, record=record)
    result.add_argument(
        "--device",
        choices=("auto", "cpu", "cuda"),
        default="auto",
        help="what networks run on: auto is a GPU where there is one (default)",
    )
    result.add_argument(
        "--workers", type=int, default=0, help="processes that read shards for this one (default 0)"
    )
    return result


def workers(options: argparse.Namespace) -> int:
    """Return how many processes read: --workers, but at most as many as there are cores."""
    return min(options.workers, len(os.sched_getaffinity(0)))


def run(main: Callable[[], None]) -> None:
    """Call `main`; what it cannot help ends the program with sentences and no traceback.

    Bad input and a machine that fails end it with status 1, a signal with 128 and its number.
    """
    before = _stop_on_signals()
    _say_no_machine_errors()
    try:
        main()
    except MachineError as error:
        _end_at_once(str(error))
    except PipelineError as error:
        _end(str(error), 1)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except Stopped as stopped:
        number = stopped.args[0]
        # Of Ctrl-C Snakemake says the same for all jobs.
        if number == signal.SIGINT and watch.is_job():
            sys.exit(128 + number)
        name = signal.Signals(number).name
        _end(f"stopped by {name}; the same command goes on", 128 + number)
    except Exception as error:
        if sentence := machine.sentence(error):
            # torch raises the end of a worker wherever this process is, and may do so again.
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            _end_at_once(sentence)
        raise
    finally:
        for number, handler in before.items():
            if signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, handler)


def _end(message: str, status: int) -> None:
    """End the program with a line for each of the message's, and with `status`."""
    # The disk of a log may be full, too.
    with suppress(OSError):
        for line in message.split("\n"):
            print(f"error: {line}", file=sys.stderr, flush=True)
    sys.exit(status)


def _say_no_machine_errors() -> None:
    """Leave errors of the machine out of what Python prints of errors that it cannot raise.

    HDF5 tries again to write a file that it drops, and each time the disk is as full as before.
    """
    excepthook, unraisablehook = sys.excepthook, sys.unraisablehook

    def say_error(kind, error, traceback) -> None:
        if not machine.sentence(error):
            excepthook(kind, error, traceback)

    def say_unraisable(unraisable) -> None:
        if not machine.sentence(unraisable.exc_value):
            unraisablehook(unraisable)

    sys.excepthook, sys.unraisablehook = say_error, say_unraisable


def _end_at_once(message: str) -> None:
    """End the program as `_end` does, and nothing else where HDF5 could not write a file.

    HDF5 crashes when the interpreter ends and such a file is open.
    """
    try:
        _end(message, 1)
    finally:
        h5py = sys.modules.get("h5py")
        if h5py and h5py.h5f.get_obj_count(types=h5py.h5f.OBJ_FILE):
            for child in multiprocessing.active_children():
                child.kill()
            os._exit(1)


def _stop_on_signals() -> dict:
    """Have the first signal of STOPPING raise Stopped in the main thread, so that files, programs
    and processes are left in order. The others change nothing. Returns the handlers before.
    """

    def stop(number: int, _) -> None:
        for other in STOPPING:
            signal.signal(other, signal.SIG_IGN)
        # A library may keep the interpreter from going on, or another process from ending.
        end = threading.Timer(GRACE, os.kill, (os.getpid(), signal.SIGKILL))
        end.daemon = True
        end.start()
        raise Stopped(number)

    if threading.current_thread() is not threading.main_thread():
        return {}
    # What is ignored, as by nohup, stays ignored. The shell of a job ignores Ctrl-C until here.
    return {
        number: signal.signal(number, stop)
        for number in STOPPING
        if signal.getsignal(number) != signal.SIG_IGN or number == signal.SIGINT
    }


def run_job(
    main: Callable[[argparse.Namespace], None],
    parser: argparse.ArgumentParser,
    inputs: Sequence[str] = (),
    stores: Sequence[str] = (),
    outputs: Sequence[str] = (),
    environment: Callable[[argparse.Namespace], str] | None = None,
) -> None:
    """Run the program of a rule: compute by `main(options)`, or take over what the job made before.

    `inputs`, `stores` and `outputs` name options: files to read, folders of shards of which those
    with the clips of --clips are read, and files to write. Without outputs the job always computes.
    `environment` says what else of the machine the outcome depends on, such as the solver of flow.
    """

    def job() -> None:
        options = parser.parse_args()
        watch.join_run()
        if options.wanted:
            with _listing(options):
                agreement.check(_input_records(options, inputs, stores), options.wanted)
        options.inputs = input_digest(
            _paths(options, inputs), _paths(options, stores), getattr(options, "clips", None)
        )
        if not outputs:
            with _listing(options):
                return main(options)
        made = _paths(options, outputs)
        if "record" in outputs:
            made += map(content_path, _paths(options, ["record"]))
        subject = {name: getattr(options, name) for name in SUBJECT if hasattr(options, name)}
        machine = environment(options) if environment else ""
        before = Reuse(made, [options.settings, options.code, options.inputs, subject, machine])
        if before.take_over():
            return log(f"{made[0]}: same inputs, settings and code as before, so it is taken over")
        with _listing(options):
            main(options)
        before.keep()

    run(job)


def _input_records(
    options: argparse.Namespace, inputs: Sequence[str], stores: Sequence[str]
) -> list[Path]:
    """The records of the artifacts that a job reads."""
    paths = _paths(options, inputs)
    if stores:
        shards = shards_of(options.clips)
        paths += [f"{store}/{shard}.h5" for store in _paths(options, stores) for shard in shards]
    return agreement.records_of(paths)


def _listing(options: argparse.Namespace) -> AbstractContextManager:
    """What has all problems of a job written beside its output, where its message tells some."""
    outputs = [getattr(options, name, None) for name in ("index", "json", "record", "out")]
    path = next((path for path in outputs if isinstance(path, str | Path)), None)
    return listed_in(Path(path).with_suffix(".problems.txt")) if path else nullcontext()


def _paths(options: argparse.Namespace, names: Sequence[str]) -> list[str]:
    """Return the paths that the options `names` hold, one or several each."""
    values = [getattr(options, name) for name in names]
    return [path for value in values for path in (value if isinstance(value, list) else [value])]
