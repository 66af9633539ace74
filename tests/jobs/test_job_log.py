"""What the log of a job says, by what its programs write."""

import pytest

from pipeline.jobs import job_log
from pipeline.jobs.job_log import JobLog
from pipeline.jobs.progress import Progress


def test_a_log_that_is_not_there_says_nothing(tmp_path):
    assert job_log.read(tmp_path / "none.log") == JobLog()


def test_lines_are_those_of_the_progress(tmp_path, capsys, monkeypatch):
    """What `Progress` writes is read as it is meant."""
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    progress = Progress("flow 000", 200, "pairs")
    assert job_log.parse(capsys.readouterr().err) == JobLog(0, 200, "pairs")
    now[0] += 10
    progress.update(20, "Run/it's: 5/9 clips, {b}")
    said = job_log.parse(capsys.readouterr().err)
    assert said[:4] == (20, 200, "pairs", 0.5)
    assert (said.total - said.done) * said.seconds_each == 90
    assert said.loss is None and said.error == ""


def test_slow_units_are_told_by_seconds_each():
    said = job_log.parse(
        "co2fi split1 motion: 3/10 iterations, 4.0 s each, 0:28 left, loss 2.5000\n"
    )
    assert said == JobLog(3, 10, "iterations", 4.0, (2.5, 3), "")


def test_compiling_does_not_count():
    """40 s without a unit, then 2 units a second: by 60 s 40 are done, by 100 s 120."""
    lines = [
        "flow 000: 400 pairs",
        "flow 000: 40/400 pairs, 1.5 s each, 9:00 left, a",
        "flow 000: 120/400 pairs, 1.2 pairs/s, 3:53 left, b",
    ]
    said = job_log.parse("\n".join(lines))
    assert said.seconds_each == pytest.approx(0.5)
    assert (said.total - said.done) * said.seconds_each == pytest.approx(140)


def test_the_last_loss_keeps_its_iteration():
    lines = [
        "teacher split1 motion: 20/100 iterations, 5.0 iterations/s, 0:16 left, loss 2.1000",
        "teacher split1 motion: 31/100 iterations, 5.0 iterations/s, 0:14 left",
    ]
    said = job_log.parse("\n".join(lines))
    assert said.done == 31 and said.loss == (2.1, 20)


def test_errors_are_the_last_sentence():
    text = "warning: x\nerror: a first one\n\0error: the loss is nan; lower its lr\n"
    assert job_log.parse(text).error == "the loss is nan; lower its lr"


def test_a_resumed_job_counts_what_was_done():
    said = job_log.parse("asyn split1 x: 100 iterations, 40 of them done before\n")
    assert said == JobLog(0, 100, "iterations")


def test_of_a_long_log_the_end_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(job_log, "MOST_READ", 100)
    path = tmp_path / "a.log"
    path.write_bytes(b"\xff" * 1000 + b"\nexamine: 5/6 clips, 50.0 clips/s, 0:00 left, Run/a\n")
    assert job_log.read(path)[:3] == (5, 6, "clips")
