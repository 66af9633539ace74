"""The files of a fusion; their contents are tested in `tests/cli/test_fuse.py`."""

import pytest

from pipeline.errors import PipelineError
from pipeline.report.fusion_files import check_out


def test_scores_are_not_written_over(tmp_path):
    out = tmp_path / "scores.csv"
    check_out(out, [str(tmp_path / "scores.h5")])
    with pytest.raises(PipelineError, match="this is a file of scores"):
        check_out(out, [str(out)])
    out.mkdir()
    with pytest.raises(PipelineError, match="this is a folder"):
        check_out(out, [])
