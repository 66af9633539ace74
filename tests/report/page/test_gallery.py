"""Clips whose streams peak furthest apart."""

import page_cases
import pytest

from pipeline.errors import PipelineError
from pipeline.report.page.found import find
from pipeline.report.page.gallery import gallery


def test_the_clips_furthest_apart_come_first(tmp_path):
    """A clip of 40 frames has 39 fields, so the last stack of 2 begins at 37; five periods of one
    instant lie at 0, 9.25, 18.5, 27.75 and 37, rounded to even numbers where they are halves.
    """
    told = gallery(find(page_cases.with_logits(tmp_path)), 6)
    assert [clip["clip"] for clip in told["clips"]] == ["Bow/v_0000", "Run/v_0002"]
    first, second = told["clips"]
    assert first["peaks"] == {"appearance": 0, "motion": 37} and first["distance"] == 37
    assert second["peaks"] == {"appearance": 37, "motion": 18} and second["distance"] == 19
    assert told["far"] == 2 and told["of"] == 3 and told["mean"] == pytest.approx(56 / 3)
    assert [instant for instant, _ in first["curves"]["motion"]] == [0, 9, 18, 28, 37]


def test_evidence_is_the_true_class_against_the_mean_of_the_others(tmp_path):
    """Logits of 3 at the peak and 1 elsewhere, 0 for others: in the ratio of 3 to 1."""
    curve = gallery(find(page_cases.with_logits(tmp_path)), 1)["clips"][0]["curves"]["appearance"]
    values = [value for _, value in curve]
    assert values[0] / values[1] == pytest.approx(3) and values[1] == values[4]


def test_frames_and_flow_are_shown_where_they_are_at_hand(tmp_path):
    path = page_cases.with_logits(tmp_path)
    assert gallery(find(path), 1)["clips"][0]["pictures"] == []
    page_cases.write_frames(path.parent.parent)
    pictures = gallery(find(path), 1)["clips"][0]["pictures"]
    assert [picture["instant"] for picture in pictures] == [0, 9, 18, 28, 37]
    assert all({"frame", "flow"} <= set(picture) for picture in pictures)
    (path.parent.parent / "flow" / "000.h5").unlink()
    assert "flow" not in gallery(find(path), 1)["clips"][0]["pictures"][0]


@pytest.mark.parametrize(
    "more, words",
    [
        ({"sources": page_cases.DIRECTIONS, "run": "split1/syn"}, "those of another run"),
        ({"classes": ["Only"], "sources": ("appearance", "motion")}, "Of one class"),
        ({}, "no logits over time"),
    ],
)
def test_without_evidence_the_reason_is_said(tmp_path, more, words):
    with pytest.raises(PipelineError, match=words):
        gallery(find(page_cases.few(tmp_path, **more)), 6)
