"""Which clips a fusion learns from, when it is asked how much that matters."""

import numpy as np
from evidence_seen import as_many, those


def test_as_many_clips_of_each_class_are_drawn_none_twice():
    """Of classes 0, 0, 0, 1, 2, 2 as many as of 0, 2, 0: two and one."""
    rows = [{"label": label} for label in (0, 0, 0, 1, 2, 2)]
    wanted = [{"label": label} for label in (0, 2, 0)]
    draws = [as_many(rows, wanted, np.random.default_rng(seed)) for seed in range(20)]
    for drawn in draws:
        assert sorted(rows[number]["label"] for number in drawn) == [0, 0, 2]
        assert len(set(drawn)) == 3
    # Each clip of these classes comes in some draw.
    assert {number for drawn in draws for number in drawn} == {0, 1, 2, 4, 5}


def test_features_are_those_of_the_chosen_clips():
    features = {"appearance": ["a", "b", "c"], "motion": ["A", "B", "C"]}
    assert those(features, [2, 0]) == {"appearance": ["c", "a"], "motion": ["C", "A"]}
