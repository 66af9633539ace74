"""The benchmark of flow, on clips of some frames."""

import extraction_cases
import flow
import pytest


@pytest.fixture
def videos(tmp_path):
    """A folder of three classes, with a clip of 7 frames in each."""
    for name in ("Eat", "Fall", "Run"):
        (tmp_path / name).mkdir()
        extraction_cases.video(tmp_path / name / f"v_{name}.avi")
    return tmp_path


def test_a_shards_job_is_measured_beside_the_solver(videos):
    found = flow.measure_job(videos, repeats=1)
    assert found["pairs"] == 18
    assert found["solver_pairs_per_s"] > 0 and found["start_s"] > 0


def test_why_a_job_failed_is_told(videos, monkeypatch):
    monkeypatch.setattr(flow.files, "digest", lambda path: "0" * 16)
    with pytest.raises(SystemExit, match="v_Eat.avi: clip 'c/v_Eat' has changed"):
        flow.measure_job(videos, repeats=1)
