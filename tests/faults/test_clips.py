"""The short form of the suite of clips."""

from faults import clips
from faults.trials import table, wrong


def test_clips_of_others_are_read_or_refused(tmp_path):
    trials = list(clips.run(seed=2, scale=0.15, folder=tmp_path))
    print(table(trials))
    assert len(trials) > 15 and not wrong(trials)
