"""Progress: lines in a log, a bar on a terminal."""

import sys

import pytest

from pipeline.jobs import progress
from pipeline.jobs.progress import Progress, format_duration


@pytest.fixture
def time(monkeypatch):
    """A clock that stands still unless it is moved."""
    now = [1000.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])

    def move(seconds):
        now[0] += seconds

    return move


def test_log_has_rate_and_time_left(time, capsys):
    bar = Progress("flow demo/000", 200, "pairs")
    for number in range(45):
        time(0.5)
        bar.update(1, f"clip{number}")
    bar.close()
    said = capsys.readouterr()
    assert said.out == "" and "\r" not in said.err and "\x1b" not in said.err
    first, *rest = said.err.splitlines()
    assert first == "flow demo/000: 200 pairs"
    # One line every ten seconds.
    assert len(rest) == 2
    assert all(line.startswith("flow demo/000: ") for line in rest)
    assert all(part in rest[0] for part in ("20/200", "2.0 pairs/s", "1:30 left", "clip19"))
    assert all(part in rest[1] for part in ("40/200", "2.0 pairs/s", "1:20 left", "clip39"))


def test_slow_work_is_in_seconds_each(time, capsys):
    bar = Progress("train", 10, "iterations")
    time(40)
    bar.update()
    line = capsys.readouterr().err.splitlines()[-1]
    assert all(part in line for part in ("1/10", "40.0 s each", "6:00 left"))


def test_the_end_is_always_said(time, capsys):
    bar = Progress("examine", 2, "clips")
    for _ in range(2):
        time(0.1)
        bar.update()
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2 and "2/2" in lines[1] and "0:00 left" in lines[1]


def test_what_was_done_before_is_no_speed(time, capsys):
    bar = Progress("train", 100, "iterations", start=50)
    time(20)
    bar.update(10)
    first, last = capsys.readouterr().err.splitlines()
    assert "50" in first and all(part in last for part in ("60/100", "2.0 s each", "1:20 left"))


def test_skipped_work_is_no_speed(time, capsys):
    bar = Progress("frames", 100, "clips")
    bar.skip(60)
    time(20)
    bar.update(10)
    bar.close()
    said = capsys.readouterr().err
    assert all(part in said for part in ("70/100", "2.0 s each", "1:00 left", "60 of 100"))


def test_terminal_gets_a_bar(monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    bar = Progress("frames", 3, "clips")
    for _ in range(3):
        bar.update(1, "a clip")
    bar.close()
    said = capsys.readouterr().err
    assert "\r" in said and "3/3" in said and said.count("\n") == 1


@pytest.mark.parametrize(
    "seconds, text",
    [
        (0, "0:00"),
        (9.4, "0:09"),
        (59.6, "1:00"),
        (65, "1:05"),
        (3599.6, "1:00:00"),
        (3725, "1:02:05"),
        (90061, "25:01:01"),
    ],
)
def test_clock(seconds, text):
    assert format_duration(seconds) == text
