"""Tasks done by several processes, each started anew, that end with the program that has them."""

import multiprocessing
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from multiprocessing import connection
from typing import Any

from pipeline.errors import MachineError, PipelineError
from pipeline.jobs import machine

# Seconds between two messages of a process about how far it is.
INTERVAL = 0.5
# Signals of a terminal to all its processes; of them only the program itself takes note.
OF_TERMINAL = {signal.SIGINT, signal.SIGHUP}


def each(
    function: Callable[[Any, Callable[[int], None]], Any],
    tasks: Sequence,
    workers: int,
    advance: Callable[[int], None],
) -> Iterator[tuple[Any, Any]]:
    """Yield (task, what `function(task, advance)` returns) as tasks end, not in their order.

    In place of a result stands the PipelineError that a task raised. `function`, tasks and results
    are pickled where `workers`, the number of processes, is more than 1; else all is done in this
    process. What `function` hands to `advance` in any process reaches the one given here, summed.
    Raises MachineError when the machine fails in a task, or one of the processes is killed, and
    RuntimeError for any other error. The processes end then, and when this one ends or is killed.
    """
    if workers == 1 or len(tasks) < 2:
        for task in tasks:
            yield task, _result(function, task, advance)
        return
    crew = {}
    try:
        for _ in range(min(workers, len(tasks))):
            ours, process = _start(function)
            crew[ours] = [process, None]
        yield from _share(crew, list(reversed(tasks)), advance)
    finally:
        for process, _ in crew.values():
            process.kill()
        for process, _ in crew.values():
            process.join()


def _result(function: Callable, task, advance: Callable[[int], None]):
    """What `function` returns for a task, or the PipelineError that it raises."""
    try:
        return function(task, advance)
    except MachineError:
        raise
    except PipelineError as error:
        return error


def _start(function: Callable) -> tuple[connection.Connection, multiprocessing.Process]:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_work, args=(function, theirs), daemon=True)
    # A process is born with the signals blocked that its parent blocks.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, OF_TERMINAL)
    try:
        process.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    theirs.close()
    return ours, process


def _share(crew: dict, left: list, advance: Callable[[int], None]) -> Iterator[tuple[Any, Any]]:
    """Hand a task to each process as soon as it has none, and yield what they make of them."""
    for pipe in list(crew):
        _give(crew, pipe, left)
    while any(task is not None for _, task in crew.values()):
        for pipe in connection.wait([pipe for pipe, (_, task) in crew.items() if task is not None]):
            process, task = crew[pipe]
            try:
                kind, content = pipe.recv()
            except (EOFError, ConnectionResetError):
                process.join()
                raise _death(task[0], process.exitcode) from None
            if kind == "advance":
                advance(content)
            elif kind == "machine":
                raise MachineError(content)
            elif kind == "bug":
                raise RuntimeError(content)
            else:
                _give(crew, pipe, left)
                yield task[0], content


def _give(crew: dict, pipe: connection.Connection, left: list) -> None:
    """Hand the next task to the process of a pipe, if any is left."""
    task = [left.pop()] if left else None
    crew[pipe][1] = task
    if task:
        pipe.send(task[0])


def _death(task, status: int) -> MachineError:
    how = signal.Signals(-status).name if status < 0 else f"status {status}"
    return MachineError(
        f"the process that worked on {task} was killed ({how}), as the system does where memory "
        "runs out; lower the number of workers, then the same command goes on"
    )


def _work(function: Callable, pipe: connection.Connection) -> None:
    """Do the tasks that come through a pipe, in a process of its own, until it is closed."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    count, last = 0, time.monotonic()

    def advance(more: int) -> None:
        nonlocal count, last
        count += more
        if time.monotonic() - last >= INTERVAL:
            pipe.send(("advance", count))
            count, last = 0, time.monotonic()

    while True:
        try:
            task = pipe.recv()
        except EOFError:
            return
        try:
            message = ("result", _result(function, task, advance))
        except Exception as error:
            sentence = str(error) if isinstance(error, MachineError) else machine.sentence(error)
            message = ("machine", sentence) if sentence else ("bug", traceback.format_exc())
        if count:
            pipe.send(("advance", count))
            count = 0
        pipe.send(message)


def _end_with_parent() -> None:
    connection.wait([multiprocessing.parent_process().sentinel])
    sys.stderr.flush()
    os._exit(1)
