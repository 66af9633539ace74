"""Text in columns."""

from report_cases import GREY, shard

from pipeline.report import inspect
from pipeline.report.layout import columns_of, fit


def test_long_names_stay_whole_and_lines_short(tmp_path):
    name = "Run/" + "x" * 90
    items = {name: [GREY], "Run/b": [GREY]}
    with shard(tmp_path / "frames.h5", "frames", items, items) as file:
        lines = inspect.describe(file, 80)
    assert "  " + "x" * 90 in lines
    assert (
        max(len(line) for line in lines if "x" * 90 not in line and str(tmp_path) not in line) <= 80
    )


def test_texts_fit_into_columns():
    """Chinese signs take two columns, a combining accent none, and control characters show."""
    assert columns_of("跳Run") == 5 and columns_of("a\u0301") == 1
    assert fit("Run", 5) == "Run  " and fit("Run\n", 8) == "Run\\x0a "
    assert fit("abcdefghij", 7) == "abc..ij"
    assert fit("跳" * 10, 9) == "跳跳..跳 " and columns_of(fit("跳" * 10, 9)) == 9
