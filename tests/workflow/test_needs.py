"""What a run takes by stage, worked out by hand from round numbers."""

from types import SimpleNamespace

import pytest

from pipeline.workflow import needs
from pipeline.workflow.needs import Hands, Need, Size
from pipeline.workflow.trial import Clips, Networks

SIZE = Size(clips=10, frames=1000, train=6, test=4)
CLIPS = Clips(decoding=0.001, pair=0.1, trajectories=0.05, frame_bytes=1000, field_bytes=2000)
NETWORKS = Networks("cpu, 1 threads", 1.0, 0.25, 100, 0.5, 0.125, 10, 0.01, 7, 512)


@pytest.fixture
def own() -> dict:
    """Settings, those that needs rest on."""
    return {
        "granularities": [5, 3, 1],
        "period": {"count": 12, "instants": 5},
        "teacher": {"iterations": 10, "batch": 4},
        "groups": {"stride": 2},
        "network": {"kind": "co2fi"},
        "co2fi": {"iterations": 20, "batch": 4, "segments": 1},
        "asyn": {"iterations": 5, "batch": 2, "joint": True},
        "scores": {"crops": "centre", "snippets": 0},
        "idt": {"window": 30, "samples_per_clip": 100, "components": 256},
        "compute": {"threads": 1, "workers": 0, "processes": 1},
    }


def by_stage(found: list[Need]) -> dict[str, tuple]:
    return {need.stage: (need.to_write, need.seconds) for need in found}


def test_videos(own):
    found = by_stage(needs.of_clips(own, SIZE, CLIPS, Hands(2), flow_on_gpu=False))
    assert found == {
        "index": (0, pytest.approx(0.5)),
        "frames": (1_000_000, pytest.approx(0.5)),
        # 990 pairs; of each a frame is decoded.
        "flow": (1_980_000, pytest.approx(49.995)),
        # All frames, and 30 of each clip before them.
        "idt": (6_106_240, pytest.approx(32.5)),
    }


def test_flow_of_a_gpu_is_not_timed_by_the_processor(own):
    found = by_stage(needs.of_clips(own, SIZE, CLIPS, Hands(2), flow_on_gpu=True))
    assert found["flow"] == (1_980_000, None)


def test_trajectories_of_ucf101_are_those_of_the_page(own):
    """docs/idt.md: 2.3 GB of samples and 5.8 GB of Fisher vectors."""
    size = Size(clips=13_320, frames=2_480_000, train=9_537, test=3_783)
    (idt,) = needs.of_clips(own, size, CLIPS, Hands(8), False)[3:]
    assert round(idt.to_write / 1e9, 1) == 8.1


def test_without_trajectories_there_is_no_such_stage(own):
    without = Clips(decoding=1.0, pair=1.0, frame_bytes=1, field_bytes=1)
    found = needs.of_clips(own, SIZE, without, Hands(1), False)
    assert [need.stage for need in found] == ["index", "frames", "flow"]


def test_networks(own):
    found = by_stage(needs.of_networks(own, SIZE, NETWORKS, Hands(2)))
    assert found == {
        "teacher": (240, pytest.approx(20)),
        # 600 frames of training clips, every second one.
        "groups": (6000, pytest.approx(37.5)),
        "co2fi": (2400, pytest.approx(80)),
        # One instant of one stream, five of the other.
        "asyn": (4968, pytest.approx(60.1)),
        # 4 clips x 2 x (60 instants of a stream, 12 x 6 of a direction).
        "scores": (0, pytest.approx(264)),
    }


@pytest.mark.parametrize(
    ("kind", "stages"),
    [("baseline", {"co2fi", "scores"}), ("direct", {"teacher", "co2fi", "scores"})],
)
def test_networks_without_groups_need_none(own, kind, stages):
    own["network"]["kind"] = kind
    assert {
        need.stage for need in needs.of_networks(own, SIZE, NETWORKS, Hands(2), fuses=False)
    } == stages


def test_a_fusion_that_learns_alone(own):
    own["asyn"]["joint"] = False
    found = by_stage(needs.of_networks(own, SIZE, NETWORKS, Hands(2)))
    assert found["features"] == (2_457_600, pytest.approx(150))
    assert found["asyn"][1] == pytest.approx(0.1)


def test_ten_crops_are_ten_times_the_scoring(own):
    own["scores"]["crops"] = "ten"
    assert by_stage(needs.of_networks(own, SIZE, NETWORKS, Hands(2)))["scores"][1] == 2640


@pytest.mark.parametrize(
    "hands, compute, count",
    [
        (Hands(1), {}, 1),
        (Hands(2), {}, 2),
        (Hands(64), {}, 2),
        (Hands(8), {"workers": 8}, 1),
        (Hands(18), {"workers": 8}, 2),
        (Hands(16, gpus=1), {"workers": 8}, 1),
        (Hands(16, gpus=4), {}, 2),
        (Hands(16, gpus=3), {"processes": 2}, 1),
    ],
)
def test_trainings_work_beside_each_other_where_they_can(own, hands, compute, count):
    own["compute"] |= compute
    assert hands.beside(own) == count
    teacher = by_stage(needs.of_networks(own, SIZE, NETWORKS, hands))["teacher"]
    assert teacher[1] == pytest.approx(20 * 2 / count)


def test_what_a_run_has_done_tells_more_than_a_trial():
    trials = [Need("frames", 100.0, 10.0), Need("flow", 200.0, 20.0), Need("idt", 300.0, None)]
    stages = [
        SimpleNamespace(name="frames", fraction=0.5, to_come=70.0, seconds_left=3.0),
        SimpleNamespace(name="flow", fraction=0.0, to_come=None, seconds_left=None),
        # Begun, and nothing is known yet but which part is done.
        SimpleNamespace(name="idt", fraction=0.25, to_come=None, seconds_left=None),
    ]
    assert needs.merge(trials, stages) == [
        Need("frames", 70.0, 3.0, from_run=True),
        Need("flow", 200.0, 20.0),
        Need("idt", 225.0, None),
    ]
