"""What a result rests on, added up from records."""

import json

import pytest

from pipeline.errors import PipelineError
from pipeline.evaluation.provenance import provenance, shard_records
from pipeline.jobs import record


def test_artifacts_of_one_job_share_its_time(tmp_path, monkeypatch):
    monkeypatch.setattr(record, "_begun", record.time.monotonic() - 80)
    for name in "abcd":
        record.write(tmp_path / f"{name}.json", "scores", name, {}, "c0de", 4)
    stage = provenance([tmp_path / f"{name}.json" for name in "abcd"], {"seed": 7}, "c9")["stages"][
        "scores"
    ]
    assert stage["seconds"] == pytest.approx(80, abs=1)


def test_provenance_adds_up(tmp_path):
    records = {
        "frames/000.json": {"stage": "frames", "digest": "d0", "code": "c1", "seconds": 1.5},
        "frames/001.json": {"stage": "frames", "digest": "d1", "code": "c1", "seconds": 2.3},
        "frames/002.json": {"stage": "frames", "digest": "d2", "code": "c2", "seconds": 0.5},
        "teacher.json": {
            "stage": "teacher",
            "digest": "d3",
            "code": "c3",
            "seconds": 60.0,
            "device": "cpu, 1 threads",
        },
    }
    (tmp_path / "frames").mkdir()
    for name, content in records.items():
        (tmp_path / name).write_text(json.dumps(content))
    found = provenance([tmp_path / name for name in records], {"seed": 7}, "c9")
    assert found["config"] == {"seed": 7} and found["seed"] == 7
    frames, teacher = found["stages"]["frames"], found["stages"]["teacher"]
    assert (frames["seconds"], frames["code"], frames["device"]) == (4.3, ["c1", "c2"], [])
    assert frames["artifacts"] == {
        str(tmp_path / f"frames/00{number}.json"): f"d{number}" for number in range(3)
    }
    assert (teacher["seconds"], teacher["code"], teacher["device"]) == (
        60.0,
        ["c3"],
        ["cpu, 1 threads"],
    )
    assert found["stages"]["fuse"] == {"code": ["c9"]} and set(found["stages"]) == {
        "frames",
        "teacher",
        "fuse",
    }
    json.dumps(found, allow_nan=False)


def test_flow_of_two_solvers_is_refused_unless_it_is_the_same(tmp_path):
    for number, solver in enumerate(["cpu 1", "cuda 1", "opencv 5.0.0"]):
        content = {"stage": "flow", "digest": "d", "code": "c", "seconds": 1.0, "solver": solver}
        (tmp_path / f"{number}.json").write_text(json.dumps(content))
    paths = [tmp_path / f"{number}.json" for number in range(3)]
    assert provenance(paths[:2], {"seed": 7}, "c")["stages"]["flow"]["solver"] == [
        "cpu 1",
        "cuda 1",
    ]
    with pytest.raises(
        PipelineError,
        match=r"2\.json: flow by solver opencv 5\.0\.0, where other shards' is by cpu 1",
    ):
        provenance(paths, {"seed": 7}, "c")


def test_shards_of_a_split_have_records():
    train, test = ["002", "000", "002"], ["001"]
    stores = [f"r/{store}/00{n}.json" for store in ("frames", "flow") for n in range(3)]
    assert shard_records("r", train, test, None) == stores
    assert shard_records("r", train, test, "r/split1/idt/codebook.json") == [
        *stores,
        "r/idt/000.json",
        "r/idt/002.json",
        *(f"r/split1/idt/fisher/00{n}.json" for n in range(3)),
    ]


def test_provenance_states_the_settings_of_the_artifacts(tmp_path):
    """Not those that the config has now."""
    for number, bound in enumerate([5, 5.0, 20]):
        settings = {"flow": {"bound": bound}, "accept_damaged": [f"Run/{number}"] if number else []}
        content = {"stage": "flow", "digest": "d", "code": "c", "seconds": 1, "settings": settings}
        (tmp_path / f"{number}.json").write_text(json.dumps(content))
    paths = [tmp_path / f"{number}.json" for number in range(3)]
    stage = provenance(paths, {"seed": 7, "flow": {"bound": 20}}, "c")["stages"]["flow"]
    assert stage["settings"] == [{"flow": {"bound": 5}}, {"flow": {"bound": 20}}]
    assert stage["accept_damaged"] == ["Run/1", "Run/2"]
