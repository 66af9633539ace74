"""Tasks done by several processes, each started anew, that end with the program that has them."""

import itertools
import multiprocessing
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from multiprocessing import connection, resource_tracker
from typing import Any

from pipeline.errors import MachineError, PipelineError
from pipeline.jobs import machine

# Seconds between two messages of a process about how far it is.
INTERVAL = 0.5
# Seconds in which a signal that another process has had comes here, too.
STOPPING = 2.0
# Signals of a terminal to all its processes; of them only the program itself takes note.
OF_TERMINAL = {signal.SIGINT, signal.SIGHUP}


def each(
    function: Callable[..., Any],
    tasks: Sequence,
    workers: int,
    advance: Callable[[int], None],
    server: Callable[[list[connection.Connection]], None] | None = None,
    cure: str = "lower the number of workers",
) -> Iterator[tuple[Any, Any]]:
    """Yield (task, what `function(task, advance)` returns) as tasks end, not in their order.

    In place of a result stands the PipelineError that a task raised. `function`, tasks and results
    are pickled where `workers`, the number of processes, is more than 1; else all is done in this
    process. What `function` hands to `advance` in any process reaches the one given here, summed.
    With a `server` it is called in a process of its own with one end of a pipe to each process,
    and `function` gets the other end as its argument `pipe`.
    Raises MachineError when the machine fails in a task, or one of the processes is killed, which
    says `cure`, and RuntimeError for any other error. The processes end then, and when this one
    ends or is killed.
    """
    if not server and (workers == 1 or len(tasks) < 2):
        for task in tasks:
            yield task, _result(function, task, advance)
        return
    crew, serving = {}, None
    try:
        count = min(workers, len(tasks))
        pipes = [multiprocessing.Pipe() for _ in range(count)] if server else []
        for number in range(count):
            of_task = partial(function, pipe=pipes[number][1]) if server else function
            ours, process = _start(of_task)
            crew[ours] = [process, None]
        if pipes:
            serving, process = _start(partial(_serve, server, [pipe for pipe, _ in pipes]))
            crew[serving] = [process, [None]]
            serving.send(None)
        # An end that stays open here would keep the other from seeing that its process has ended.
        for pipe in itertools.chain(*pipes):
            pipe.close()
        yield from _share(crew, list(reversed(tasks)), advance, cure, serving)
    finally:
        for process, _ in crew.values():
            process.kill()
        for process, _ in crew.values():
            process.join()


def _serve(
    server: Callable[[list[connection.Connection]], None],
    pipes: list[connection.Connection],
    task: None,
    advance: Callable[[int], None],
) -> None:
    """Do the task of the process that serves the others."""
    server(pipes)


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
    # Its first start would unblock signals again.
    resource_tracker.ensure_running()
    # A process is born with the signals blocked that its parent blocks.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, OF_TERMINAL)
    try:
        process.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    theirs.close()
    return ours, process


def _share(
    crew: dict,
    left: list,
    advance: Callable[[int], None],
    cure: str,
    serving: connection.Connection | None,
) -> Iterator[tuple[Any, Any]]:
    """Hand a task to each process as soon as it has none, and yield what they make of them.

    `serving` is the pipe of the process that serves the others.
    """
    for pipe in crew.keys() - {serving}:
        _give(crew, pipe, left)
    while any(task is not None for pipe, (_, task) in crew.items() if pipe is not serving):
        for pipe in connection.wait([pipe for pipe, (_, task) in crew.items() if task is not None]):
            process, task = crew[pipe]
            try:
                kind, content = pipe.recv()
            except (EOFError, ConnectionResetError):
                process.join()
                if process.exitcode == -signal.SIGTERM:
                    # A queue that ends a job tells all its processes, and this one says so itself.
                    time.sleep(STOPPING)
                doing = "served the others" if pipe is serving else f"worked on {task[0]}"
                raise _death(doing, process.exitcode, cure) from None
            if kind == "advance":
                advance(content)
            elif kind == "machine":
                raise MachineError(content)
            elif kind == "bug":
                raise RuntimeError(content)
            elif pipe is serving:
                # It has nothing more to do, or cannot do it.
                crew[pipe][1] = None
                if content:
                    raise content
            else:
                _give(crew, pipe, left)
                yield task[0], content


def _give(crew: dict, pipe: connection.Connection, left: list) -> None:
    """Hand the next task to the process of a pipe, if any is left."""
    task = [left.pop()] if left else None
    crew[pipe][1] = task
    if task:
        pipe.send(task[0])


def _death(doing: str, status: int, cure: str) -> MachineError:
    how = signal.Signals(-status).name if status < 0 else f"status {status}"
    return MachineError(
        f"the process that {doing} was killed ({how}), as the system does where memory runs out; "
        f"{cure}, then the same command goes on"
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
