"""What a set takes on nodes: shards, schedules and bytes."""

import math

import pytest
from plan import PLANS, Plan, Rates, check, draw_shards, makespan, of_set, read_rates


def test_each_job_takes_the_slot_that_is_free_first():
    # 5 | 3, then 2 behind 3, then 4 behind 5 or 5.
    assert makespan([5, 3, 2, 4], 2) == 9 and makespan([5, 3, 2, 4], 1) == 14
    assert makespan([5, 3], 10) == 5 and makespan([], 3) == 0


def test_frames_of_shards_sum_to_those_of_the_set():
    plan = Plan("small", 1000, 50_000, 0.0, (2, 2), 100, 10, 800)
    assert draw_shards(plan) == pytest.approx(10 * [5000])
    uneven = draw_shards(plan, by_hash=True)
    assert sum(uneven) == pytest.approx(50_000) and max(uneven) > 5500
    assert draw_shards(plan, by_hash=True) == uneven


def test_a_set_of_equal_clips_scales_with_its_slots():
    rates = Rates(0.001, 0.1, 0.05, 10_000, 20_000, {"teacher motion": 1.0})
    plan = Plan("equal", 6400, 640_000, 0.0, (1, 1), 320 * 240, 64, 6000)
    found = of_set(plan, rates)
    assert found["core_hours"]["flow"] == pytest.approx(640_000 * 0.1 / 3600)
    # 10,000 frames less one for each of 6,400 clips, 20 kB each.
    assert found["disk_gb"]["flow"] == pytest.approx((640_000 - 6400) * 20e3 / 1e9)
    assert found["largest_shard"] == pytest.approx(1.0)
    by = {(row["nodes"], row["cores"]): row["hours"] * 3600 for row in found["flow"]}
    # 64 shards of 1,000 s and 12 s to start: 16 at a time, all at once, or on four cores each.
    assert by[1, 1] == pytest.approx(4 * 1012) and by[4, 1] == by[64, 1] == pytest.approx(1012)
    assert by[64, 4] == pytest.approx(250 + 12)


def test_rates_are_those_that_were_measured():
    rates = read_rates()
    assert 0.05 < rates.field < 0.2 and 10_000 < rates.frame_bytes < rates.field_bytes < 30_000
    # Two streams' teachers and networks, and two directions.
    assert len(rates.training_hours) == 6
    assert [plan.name for plan in PLANS][:2] == ["UCF101", "HMDB51"]


def test_a_recorded_run_is_compared_by_shards(tmp_path):
    (tmp_path / "index.csv").write_text(
        "clip,shard,frames,width,height\na,000,11,320,240\nb,001,101,320,480\n"
    )
    for stage in ("frames", "flow", "idt"):
        (tmp_path / "benchmarks" / stage).mkdir(parents=True)
        for shard in ("000", "001"):
            path = tmp_path / f"benchmarks/{stage}/{shard}.tsv"
            path.write_text("s\tcpu_time\n9\t4.5\n")
    found = check(tmp_path, Rates(1.0, 0.1, 0.01, 1, 1, {}))
    # 10 pairs, and 100 of twice the pixels; 30 frames at most for a sample.
    assert (
        found["flow"]["planned"] == pytest.approx(0.1 * (10 + 200)) and found["flow"]["took"] == 9
    )
    assert found["frames"]["shards"]["001"] == [202.0, 4.5]
    assert math.isclose(found["idt"]["planned"], round(0.01 * (11 + 60), 1))
