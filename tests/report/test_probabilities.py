"""Scores as probabilities."""

import numpy as np
import pytest
from scipy.special import softmax

from pipeline.report.probabilities import as_probabilities

VALUES = np.array([[2.0, 0.0, -1.0]])
SOURCES = ("appearance", "motion", "idt")
STANDARDISED = {
    "rule": "standardised",
    "weights": {"appearance": 1.0, "motion": 3.0},
    "spreads": {"appearance": 1.0, "motion": 2.0},
}


def test_logits_and_decision_values_become_probabilities():
    for name in ("appearance", "idt"):
        found = as_probabilities(name, VALUES, SOURCES, "logits", STANDARDISED)
        assert found == pytest.approx(softmax(VALUES))


def test_probabilities_stay():
    values = np.array([[0.7, 0.2, 0.1]])
    assert as_probabilities("motion", values, SOURCES, "softmax", STANDARDISED) is values
    # Decision values are none.
    assert as_probabilities("idt", values, SOURCES, "softmax", STANDARDISED) != pytest.approx(
        values
    )


def test_sums_get_the_spread_of_their_networks():
    """A sum of weight 4 has the mean spread of both streams, 1.5."""
    found = as_probabilities("two_stream", VALUES, SOURCES, "logits", STANDARDISED)
    assert found == pytest.approx(softmax(VALUES / 4 * 1.5))


def test_sums_of_probabilities_are_divided_by_their_weights():
    values = np.array([[2.8, 0.8, 0.4]])
    rule = STANDARDISED | {"rule": "paper"}
    found = as_probabilities("two_stream", values, SOURCES, "softmax", rule)
    assert found == pytest.approx(np.array([[0.7, 0.2, 0.1]]))
