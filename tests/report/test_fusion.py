"""Names of fused files, and probabilities; see also `tests/cli/test_fuse.py`."""

import numpy as np
import pytest

from pipeline.report.fusion import Fusion, short_names


def test_names_lose_the_folders_that_all_share():
    assert short_names(["r/a/scores.h5", "r/b/scores.h5"]) == ["a/scores.h5", "b/scores.h5"]
    assert short_names(["/r/x.npz:rgb", "/r/x.npz:flow"]) == ["x.npz:rgb", "x.npz:flow"]
    assert short_names(["results/demo/split1/idt/scores.h5"]) == ["idt/scores.h5"]
    assert short_names(["/r/a.h5", "b.h5"]) == ["/r/a.h5", "b.h5"]
    assert short_names(["a.h5", "b.h5"]) == ["a.h5", "b.h5"]


@pytest.mark.parametrize("how", ["l2", "standardised"])
def test_probabilities_have_the_spread_of_the_scores(how):
    """A source fused with itself says what it says alone, however it is normalised."""
    scores = np.array([[3.0, 0.0, -3.0], [1.0, 2.0, -3.0]]) / np.sqrt([[18.0], [14.0]])
    expected = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    labels = np.array([0, 1])
    found = Fusion(["a", "b"], [1e100, 2e100], how, ["x", "y"], labels, list("abc"), [scores] * 2)
    np.testing.assert_allclose(found.probabilities, expected)
