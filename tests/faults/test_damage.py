"""The short form of the damage suite: each kind of file damaged in each way, once or twice."""

from faults import damage
from faults.trials import REFUSED, wrong


def test_damage_is_found_or_harmless(tmp_path):
    trials = list(damage.run(1, 1 / damage.TRIALS, tmp_path))
    assert not wrong(trials)
    kinds = {trial.kind for trial in trials}
    assert len(kinds) == len(trials) and len(kinds) % len(damage.DAMAGES) == 0
    assert sum(trial.outcome == REFUSED for trial in trials) > len(trials) / 2
