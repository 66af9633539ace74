"""The short form of the mutations, and what they rest on."""

import itertools
import random
import time

import pytest
from faults import mutations
from faults.mutations import KINDS, Kind
from faults.trials import HANG, REFUSED, SILENT, TRACEBACK, UNCLEAR, wrong

from pipeline.errors import PipelineError


def test_no_changed_file_ends_in_a_traceback(tmp_path):
    trials = list(mutations.run(seed=2, scale=0.03, folder=tmp_path))
    assert not wrong(trials)
    assert len(trials) >= 3 * len(KINDS)
    # Most changes matter, else the suite would show nothing.
    assert sum(trial.outcome == REFUSED for trial in trials) > len(trials) / 4


def test_the_full_form_has_1500_trials():
    assert sum(kind.trials for kind in KINDS) == 1500
    assert len({kind.name for kind in KINDS}) == len(KINDS)


@pytest.mark.parametrize("kind", KINDS, ids=[kind.name for kind in KINDS])
def test_the_same_seed_changes_a_file_alike(tmp_path, kind, monkeypatch):
    """At any time of day: archives hold the time at which they are written, by two seconds."""
    content = kind.make(tmp_path)[0].read_bytes()
    moments = map(time.gmtime, itertools.count(10**9, 2))
    monkeypatch.setattr(time, "localtime", lambda _: next(moments))
    changes = [
        mutations.mutate(content, kind, random.Random(f"1 {number}"))
        for number in (*range(20), *range(20))
    ]
    assert changes[:20] == changes[20:]
    assert sum(changed != content for _, changed in changes) > 20


def fail(path):
    match path.read_text():
        case "bad":
            raise PipelineError(f"{path}: bad; mend it")
        case "which":
            raise PipelineError("bad; mend it")
        case "index":
            raise IndexError("list index out of range")
        case "crash":
            mutations.os.abort()
        case "memory":
            return bytes(1 << 40)
        case "loop":
            while True:
                pass
        case "odd":
            raise AssertionError("no numbers")


@pytest.mark.parametrize(
    "content, outcome",
    [
        ("bad", REFUSED),
        ("which", UNCLEAR),
        ("index", TRACEBACK),
        ("crash", TRACEBACK),
        ("memory", TRACEBACK),
        ("loop", HANG),
        ("odd", SILENT),
    ],
)
def test_outcomes_of_readers(tmp_path, monkeypatch, content, outcome):
    monkeypatch.setattr(mutations, "LONGEST", 3)
    path = tmp_path / "a.txt"
    path.write_text("good")
    kind = Kind("text", 1, lambda folder: [path], fail, lambda *given: content.encode())
    assert mutations.mutate(b"good", kind, random.Random(1))[1] == content.encode()
    path.write_text(content)
    assert mutations._in_a_process(kind, path)[0] == outcome
