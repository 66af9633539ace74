"""A few kills of the first stages; `make faults` kills every stage."""

import random

from faults import kills
from faults.trials import wrong


def test_killed_stages_end_in_the_same_bytes(tmp_path):
    trials = list(kills.run(seed=2, scale=0.05, folder=tmp_path))
    assert len(trials) == 3 and not wrong(trials), wrong(trials)


def test_every_stage_is_killed_in_every_way():
    drawn = kills.draw(random.Random(1), kills.STAGES, kills.TRIALS)
    stages = [stage.name for stage, _, _ in drawn]
    assert len(drawn) == 60
    assert all(stages.count(stage.name) >= 3 for stage in kills.STAGES)
    ways = {(victim, number) for _, victim, number in drawn}
    parts = {way for way in kills.KILLS if way[0] == "part"}
    assert ways >= set(kills.KILLS) - parts
    assert {victim for victim, _ in ways} >= {"ffmpeg", "worker"}
