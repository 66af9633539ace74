"""Where runs stand, as lines."""

from pathlib import Path
from types import SimpleNamespace as Plain

from pipeline.report import status


def stage(name: str, done: int, count: int, **more) -> Plain:
    facts = {"fraction": done / count, "seconds": 0.0, "written": 0, "rate": None, "loss": None}
    left = {"seconds_left": 0.0, "to_come": 0.0} if done == count else {}
    return Plain(name=name, done=done, jobs=[None] * count, **(facts | left | more))


def state(*stages: Plain, failed=(), worker="", runs=("split1",)) -> Plain:
    who = Plain(state=worker, process=7, host="node1", since="2026-11-25 21:26:28")
    return Plain(
        target=Plain(folder=Path("."), set="mine"),
        runs=list(runs),
        stages=list(stages),
        worker=who,
        failed=list(failed),
        is_done=all(one.done == len(one.jobs) for one in stages),
    )


FLOW = {"seconds": 7200.0, "seconds_left": 3725.0, "written": 61_000_000_000, "to_come": 2.0e10}
FLOW |= {"fraction": 0.755, "rate": (28.44, "pairs")}


def test_a_stage_is_a_row():
    found = stage("flow", 90, 128, **FLOW)
    *_, head, row, total = status.lines(state(found, worker="working"))
    assert head.split() == [
        "stage",
        "jobs",
        "done",
        "rate",
        "took",
        "left",
        "written",
        "to",
        "come",
    ]
    assert " ".join(row.split()) == "flow 90/128 75% 28.4 pairs/s 2:00:00 1:02:05 61.0 GB 20.0 GB"
    assert " ".join(total.split()) == "all 90/128 2:00:00 1:02:05 61.0 GB 20.0 GB"


def test_what_is_not_known_is_said():
    none = {"seconds_left": None, "to_come": None}
    lines = status.lines(state(stage("flow", 90, 128, **FLOW), stage("teacher", 0, 2, **none)))
    assert "no run works here" in lines[0]
    assert lines[-2].split() == ["teacher", "0/2", "0%", "?", "?"]
    assert lines[-1].split()[-4:] == ["61.0", "GB", "20.0", "GB+"] and "1:02:05+" in lines[-1]


def test_nothing_is_left_of_a_finished_run():
    lines = status.lines(state(stage("fuse", 1, 1, seconds=65.0)))
    assert lines[0] == "mine split1: finished"
    assert lines[2].split() == ["fuse", "1/1", "100%", "1:05"]


def test_losses_and_the_last_error_are_told_in_80_columns():
    trained = {"seconds_left": 9.0, "to_come": 1.0, "loss": ("split1/motion/co2fi", 2.5, 4000)}
    said = "the loss has grown from 1.61 to 67.56; lower its lr (now 0.3) or set its clip\x1b[31m"
    jobs = [Plain(name="split1/motion/co2fi", error=said), Plain(name="x", error="y")]
    lines = status.lines(
        state(
            stage("co2fi", 1, 4, rate=(12345.6, "iterations"), seconds=4e6, **trained),
            failed=jobs,
            worker="killed",
            runs=[f"split{n}/no_coarseness/seed{n}" for n in range(1, 9)],
        )
    )
    text = "\n".join(lines)
    assert all(len(line) <= 80 for line in lines) and "\x1b" not in text
    assert "loss    split1/motion/co2fi: 2.5000 at iteration 4,000" in lines
    assert "failed  split1/motion/co2fi: the loss has grown" in text and "(and 1 more jobs)" in text
    assert "and 5 more: the run of 2026-11-25 21:26:28 was killed" in " ".join(text.split())


def test_slow_units_are_told_by_seconds():
    found = stage("co2fi", 0, 2, rate=(0.25, "iterations"), seconds_left=8.0, to_come=None)
    assert "4.0 s each" in status.lines(state(found))[2]
