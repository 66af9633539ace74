"""Clips on the page: likeliest classes by source, and pictures within their allowance."""

import numpy as np
import page_cases
import pytest

from pipeline.report.page.clips import _interesting, clips
from pipeline.report.page.found import find


def test_the_likeliest_classes_come_with_their_probabilities(tmp_path):
    """Logits 2, 1 and 0: e^2, e and 1 over their sum are 0.665, 0.245 and 0.090."""
    values = np.array([[1.0, 0, 2], [2, 1, 0]])
    scores = {"appearance": values, "motion": values[:, ::-1]}
    path = page_cases.write_result(tmp_path, scores, np.array([0, 2]), ["Bow", "Jump", "Run"])
    told = clips(find(path), 0)
    assert told["names"] == ["Bow/v_0000", "Run/v_0001"] and told["labels"] == [0, 2]
    assert told["top"] == 3
    (appearance, motion, both) = told["sources"]
    assert appearance["classes"] == [2, 0, 1, 0, 1, 2]
    assert appearance["parts"] == [665, 245, 90, 665, 245, 90]
    assert motion["classes"] == [0, 2, 1, 2, 1, 0]
    assert both["key"] == "two_stream" and sum(both["parts"][:3]) == pytest.approx(1000, abs=2)


def test_pictures_stop_at_the_allowance_and_say_so(tmp_path):
    path = page_cases.with_logits(tmp_path)
    found = find(path)
    assert "are not beside this result" in clips(found, 10**6)["without_pictures"]
    page_cases.write_frames(path.parent.parent)
    told = clips(found, 10**6)
    assert list(told["pictures"]) == [0, 1, 2] and told["without_pictures"] == ""
    assert all(text.startswith("data:image/webp;base64,") for text in told["pictures"].values())
    told = clips(found, 1)
    assert len(told["pictures"]) == 1 and told["without_pictures"].startswith("1 clips have")


def test_clips_on_which_sources_differ_are_pictured_first(tmp_path):
    order = _interesting(find(page_cases.few(tmp_path))).tolist()
    # Of each class of six: 1 is mended by ASYN, 3 is broken by IDT, 0 alone is right elsewhere.
    assert order[:3] == [1, 7, 13] and order[3:6] == [3, 9, 15]
    assert order[-3:] == [0, 6, 12]
