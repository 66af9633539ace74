"""Jobs and stages: what is done, and what is left by what the others took, worked out by hand."""

import json
from pathlib import Path

import pytest

from pipeline.workflow.stages import Job, Stage


def job(folder: Path, name: str, state: str, weight: int = 10, kind: str = "flow") -> Job:
    outputs = [folder / f"{name}.h5", folder / f"{name}.json"]
    log, benchmark = folder / f"{name}.log", folder / f"{name}.tsv"
    return Job(name, "flow", kind, outputs, outputs[1:], log, benchmark, weight, state)


def finished(folder: Path, name: str, seconds: float, size: int, **more) -> Job:
    """A job that is done: it took `seconds`, and its files have `size` bytes."""
    record = json.dumps({"seconds": seconds})
    (folder / f"{name}.json").write_text(record)
    (folder / f"{name}.h5").write_bytes(bytes(size - len(record)))
    return job(folder, name, "done", **more)


def working(folder: Path, name: str, done: int, size: int = 0, state: str = "running") -> Job:
    """A job that has done so many of 100 pairs, two a second, and has written `size` bytes."""
    (folder / f"{name}.log").write_text(
        f"flow {name}: 100 pairs\nflow {name}: {done}/100 pairs, 2.0 pairs/s, 0:10 left, a\n"
    )
    (folder / ".partial" / name).mkdir(parents=True)
    (folder / ".partial" / name / "clip").write_bytes(bytes(size))
    return job(folder, name, state)


def test_what_is_left_follows_from_what_is_done(tmp_path):
    """Done: 10 clips in 40 s and 1,000 bytes. Waiting: 20 clips, so 80 s and 2,000 bytes."""
    stage = Stage("flow", [finished(tmp_path, "a", 40, 1000), job(tmp_path, "b", "waiting", 20)])
    assert (stage.done, stage.seconds, stage.written) == (1, 40, 1000)
    assert stage.fraction == pytest.approx(1 / 3)
    assert (stage.seconds_left, stage.to_come) == (80, 2000)


def test_a_job_that_works_tells_its_own_rest(tmp_path):
    """25 of 100 pairs at two a second: 37.5 s of 50 are left, and 750 of 1,000 bytes."""
    stage = Stage("flow", [finished(tmp_path, "a", 40, 1000), working(tmp_path, "b", 25, 250)])
    assert stage.seconds_left == 37.5 and stage.to_come == 750
    assert stage.fraction == pytest.approx((10 + 2.5) / 20)
    assert stage.rate == (2.0, "pairs")


def test_nothing_is_left_of_a_job_that_has_just_done_all(tmp_path):
    """Its files are not in place yet, and may have more bytes than those of the others."""
    stage = Stage("flow", [finished(tmp_path, "a", 40, 1000), working(tmp_path, "b", 100, 1200)])
    assert stage.seconds_left == 0 and stage.to_come == 0


def test_a_job_that_has_written_more_hides_none_that_has_written_less(tmp_path):
    """Of 1,000 bytes each, one has 1,200 already; of the other 750 are still to come."""
    jobs = [working(tmp_path, "b", 90, 1200), working(tmp_path, "c", 25, 250)]
    assert Stage("flow", [finished(tmp_path, "a", 40, 1000), *jobs]).to_come == 750


def test_jobs_side_by_side_share_the_time(tmp_path):
    """Two work, with 25 s left each, and a third of 40 s waits: 90 s by two at a time."""
    jobs = [finished(tmp_path, "a", 40, 1000), job(tmp_path, "d", "waiting")]
    stage = Stage("flow", jobs + [working(tmp_path, name, 50) for name in "bc"])
    # Of the kind, those that work are not timed: one is done.
    assert stage.seconds_left == (25 + 25 + 40) / 2


def test_the_longest_job_bounds_the_time(tmp_path):
    """Of 10 s and 60 s side by side 60 are left, not 35."""
    jobs = [finished(tmp_path, "a", 60, 1000), job(tmp_path, "b", "running")]
    stage = Stage("flow", [*jobs, working(tmp_path, "c", 80)])
    assert stage.seconds_left == 60


def test_without_a_timed_job_of_a_kind_nothing_is_known(tmp_path):
    jobs = [finished(tmp_path, "a", 40, 1000), job(tmp_path, "b", "waiting", kind="other")]
    assert (Stage("flow", jobs).seconds_left, Stage("flow", jobs).to_come) == (None, None)


def test_benchmarks_time_jobs_without_records(tmp_path):
    done = job(tmp_path, "a", "done")
    assert done.seconds is None
    (tmp_path / "a.tsv").write_text("s\th:m:s\n12.5\t0:00:12\n")
    assert job(tmp_path, "a", "done").seconds == 12.5


def test_the_loss_is_that_of_the_training_that_works(tmp_path):
    (tmp_path / "a.log").write_text("co2fi a: 5/10 iterations, 1.0 s each, 0:05 left, loss 2.5\n")
    (tmp_path / "b.log").write_text("co2fi b: 3/10 iterations, 1.0 s each, 0:07 left, loss 0.5\n")
    states = {"a": "running", "b": "stopped"}
    stage = Stage("co2fi", [job(tmp_path, name, state) for name, state in states.items()])
    assert stage.loss == ("a", 2.5, 5)
    assert Stage("co2fi").loss is None
