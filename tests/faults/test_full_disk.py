"""A few stages on a full and on a read-only disk; `make faults` tries every stage."""

import pytest
from faults import full_disk
from faults.trials import wrong


def test_stages_on_a_full_disk_end_with_a_sentence_and_go_on(tmp_path):
    try:
        trials = list(full_disk.run(seed=1, scale=0.01, folder=tmp_path))
    except full_disk.NoMount as error:
        pytest.skip(str(error))
    assert len(trials) == 4 and not wrong(trials), wrong(trials)
