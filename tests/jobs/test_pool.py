"""Tasks done by several processes."""

import os
import signal
import subprocess
import sys
import time
from multiprocessing import connection
from pathlib import Path

import pytest
from waiting import wait_for

from pipeline.errors import MachineError, PipelineError
from pipeline.jobs import pool


def square(task, advance):
    advance(task)
    return task**2


def refuse_odd(task, advance):
    if task % 2:
        raise PipelineError(f"{task} is odd")
    return os.getpid()


def fail(task, advance):
    raise {1: MachineError("disk full: x"), 2: OSError(28, "No space left on device"),
           3: KeyError("no such thing")}[task]  # fmt: skip


def kill_itself(task, advance):
    os.kill(os.getpid(), signal.SIGKILL)


def wait(folder, advance):
    Path(folder, str(os.getpid())).touch()
    time.sleep(600)


@pytest.mark.parametrize("workers", [1, 2])
def test_every_task_is_done_once(workers):
    counts = []
    found = dict(pool.each(square, range(7), workers, counts.append))
    assert found == {task: task**2 for task in range(7)}
    assert sum(counts) == sum(range(7))


@pytest.mark.parametrize("workers", [1, 3])
def test_errors_of_users_stand_for_results(workers):
    found = dict(pool.each(refuse_odd, range(5), workers, print))
    assert {task: str(found[task]) for task in (1, 3)} == {1: "1 is odd", 3: "3 is odd"}
    processes = {found[task] for task in (0, 2, 4)}
    assert (os.getpid() in processes) == (workers == 1)


@pytest.mark.parametrize(
    "task, kind, said",
    [
        (1, MachineError, "disk full: x"),
        (2, MachineError, "disk full: a file could not be read or written"),
        (3, RuntimeError, "KeyError: 'no such thing'"),
    ],
)
def test_other_errors_end_it(task, kind, said):
    with pytest.raises(kind) as error:
        list(pool.each(fail, [task, task], 2, print))
    assert said in str(error.value)


def test_a_killed_process_is_told():
    with pytest.raises(MachineError, match=r"worked on \d was killed \(SIGKILL\)"):
        list(pool.each(kill_itself, [7, 7], 2, print))


def test_no_tasks():
    assert list(pool.each(square, [], 4, print)) == []
    assert list(pool.each(ask, [], 4, print, double)) == []


def ask(task, advance, pipe):
    """What the server says of a task."""
    pipe.send(task)
    return pipe.recv()


def double(pipes):
    """Answer with twice the number, until all pipes are closed."""
    while pipes:
        for pipe in connection.wait(pipes):
            try:
                pipe.send(2 * pipe.recv())
            except EOFError:
                pipes.remove(pipe)


def refuse(pipes):
    raise PipelineError("there is no such device")


def end(pipes):
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_server_answers_all_processes(workers):
    found = dict(pool.each(ask, range(5), workers, print, double))
    assert found == {task: 2 * task for task in range(5)}


@pytest.mark.parametrize(
    "server, kind, words",
    [
        (refuse, PipelineError, "there is no such device"),
        (
            end,
            MachineError,
            r"that served the others was killed \(SIGKILL\).*; take less, then the",
        ),
    ],
)
def test_a_server_that_ends_ends_it(server, kind, words):
    with pytest.raises(kind, match=words):
        list(pool.each(wait_for_ever, [1, 2], 2, print, server, "take less"))


def wait_for_ever(task, advance, pipe):
    time.sleep(600)


def test_processes_end_with_a_killed_program(tmp_path):
    program = (
        f"import sys; sys.path[:0] = {[str(folder) for folder in Path(__file__).parents[:2]]!r}\n"
        "import test_pool\nfrom pipeline.jobs import pool\n"
        "if __name__ == '__main__':\n"
        f"    list(pool.each(test_pool.wait, [{str(tmp_path)!r}] * 2, 2, print))\n"
    )
    script = tmp_path / "script.py"
    script.write_text(program)
    process = subprocess.Popen([sys.executable, str(script)])
    found = wait_for(lambda: len(pids := [p.name for p in tmp_path.glob("[0-9]*")]) == 2 and pids)
    process.kill()
    process.wait()
    assert wait_for(lambda: not [pid for pid in found if Path(f"/proc/{pid}").exists()])
