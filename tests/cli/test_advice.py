"""Errors of the pipeline, with advice for who has no split lists."""

import pytest

from pipeline.cli.advice import told
from pipeline.errors import PipelineError

SENTENCES = {
    "a.avi: damaged (no end); list it in accept_damaged of the set": (
        "a.avi: damaged (no end); replace it, or take what decodes with --damaged"
    ),
    "a.avi: too short; leave it out of the split lists": "a.avi: too short; name another",
    "a.avi: 2 frames; 3 are needed; take it from the split lists": (
        "a.avi: 2 frames; 3 are needed; name another"
    ),
    "a.avi: it cannot be read": "a.avi: it cannot be read",
    "out: split lists of another set; name another folder": (
        "out: split lists of another set; name another folder"
    ),
}


@pytest.mark.parametrize(("error", "expected"), SENTENCES.items())
def test_only_advice_on_lists_and_config_is_replaced(error, expected):
    assert told(PipelineError(error), "name another") == expected
