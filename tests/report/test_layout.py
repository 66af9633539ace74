"""Text in columns."""

from report_cases import GREY, shard

from pipeline.report import inspect


def test_long_names_stay_whole_and_lines_short(tmp_path):
    name = "Run/" + "x" * 90
    items = {name: [GREY], "Run/b": [GREY]}
    with shard(tmp_path / "frames.h5", "frames", items, items) as file:
        lines = inspect.describe(file, 80)
    assert "  " + "x" * 90 in lines
    assert (
        max(len(line) for line in lines if "x" * 90 not in line and str(tmp_path) not in line) <= 80
    )
