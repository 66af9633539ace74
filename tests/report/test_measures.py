"""Numbers of clips, against values worked out by hand or by another implementation."""

from itertools import product

import numpy as np
import pytest
from report_cases import BOUND

from pipeline.report.measures import form_group, length_quantile


def test_percentile_is_exact(flow):
    counts = np.zeros((256, 256), int)
    counts[255, 128], counts[128, 128] = 2, 98
    assert [length_quantile(counts, BOUND, share) for share in (0.5, 0.98, 0.99, 1)] == [
        0,
        0,
        BOUND,
        BOUND,
    ]


def test_groups_are_those_that_training_forms():
    torch = pytest.importorskip("torch")
    from pipeline.data import groups

    # (50 positions, 5 of 9 classes)
    ranked = np.random.default_rng(0).permuted(np.tile(np.arange(9), (50, 1)), axis=1)[:, :5]
    for size, missing in product((5, 3, 1), ("replace", "add")):
        expected = groups.form(torch.tensor(ranked), torch.full((50,), 4), size, missing).numpy()
        formed, forced = form_group(ranked, 4, size, missing)
        assert (formed == expected).all() and (forced == (ranked[:, :size] != 4).all(axis=1)).all()
