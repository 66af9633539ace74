"""The command `pipeline status` as a user meets it."""

import fcntl
import os
import struct
import sys
import termios
import time
from contextlib import suppress

import pytest
import workspace
import yaml
from typer.testing import CliRunner

from pipeline.cli import status as command
from pipeline.cli.app import app
from pipeline.datasets import demo


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Lists and a config of a set, of which nothing was made yet."""
    monkeypatch.chdir(tmp_path)
    demo.write_lists(demo.clip_set("mini", groups=3, clips=2), tmp_path / "lists")
    entry = {"format": "ucf101", "videos": "videos", "lists": "lists", "shards": 3}
    entry["settings"] = workspace.TINY
    (tmp_path / "mini.yaml").write_text(yaml.safe_dump({"sets": {"mini": entry}}))
    return tmp_path


def status(*arguments):
    done = CliRunner().invoke(app, ["status", *map(str, arguments)])
    assert "Traceback" not in done.output
    return done


def test_a_run_to_come_is_shown_in_80_columns(project):
    done = status("results/mini/split1/acc.json", "--configfile", "mini.yaml")
    assert done.exit_code == 0 and done.stderr == ""
    lines = done.stdout.splitlines()
    assert lines[0] == "mini split1: no run works here" and max(map(len, lines)) <= 80
    # 6 of the index, 3 shards of frames, flow and vectors, 2 of samples, as one shard has the scene
    # of the test clips, 8 networks and groups of them, 3 of trajectories, scores and fusion.
    assert lines[-1].split() == ["all", "0/30", "0:00", "?", "0", "B", "?"]
    assert not (project / "results").exists()


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["results/mini/split1"], "no set 'mini' in config.yaml"),
        (["results/mini/split1", "--configfile", "none.yaml"], "none.yaml"),
        (["mini"], "this is no result; RESULT is results/<set>"),
        (["results/mini", "--configfile", "mini.yaml", "--watch"], "--watch needs a terminal"),
    ],
)
def test_what_cannot_be_is_one_sentence(project, arguments, words):
    done = status(*arguments)
    assert done.exit_code == 1 and done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ") and words in line


def test_watching_ends_with_the_run(monkeypatch, capsys):
    """It shows what it finds until all is done, and nobody works."""
    found = [_Found(done) for done in (0, 1, 2)]
    monkeypatch.setattr(command, "INTERVAL", 0)
    monkeypatch.setattr("pipeline.report.status.lines", lambda one: [f"{one.done} of 2"])
    command._watch(iter(found[1:]).__next__, found[0])
    assert capsys.readouterr().out.splitlines()[-1].strip() == "2 of 2"


class _Found:
    """A state of a run of two jobs."""

    def __init__(self, done: int):
        self.done, self.is_done = done, done == 2
        self.worker = type("Worker", (), {"state": "" if done == 2 else "working"})


def test_a_terminal_sees_it_anew(project):
    """In a terminal of 80 columns; Ctrl-C ends it without an error."""
    command = [sys.executable, "-c", "from pipeline.cli.app import app; app()", "status"]
    command += ["results/mini/split1", "--configfile", "mini.yaml", "--watch"]
    process, terminal = os.forkpty()
    if process == 0:
        os.execv(command[0], command)
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 80, 0, 0))
    text, until = "", time.time() + 60
    while text.count("0/30") < 2 and time.time() < until:
        text += os.read(terminal, 65536).decode()
    os.write(terminal, b"\x03")
    with suppress(OSError):
        while more := os.read(terminal, 65536):
            text += more.decode()
    assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == 0
    assert text.count("0/30") >= 2 and "error" not in text and "Traceback" not in text
