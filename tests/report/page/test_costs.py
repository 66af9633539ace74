"""Time, memory and bytes by stage."""

import json

import page_cases
import pytest

from pipeline.errors import PipelineError
from pipeline.report.page.costs import costs
from pipeline.report.page.found import find


def test_time_memory_and_bytes_of_a_stage(tmp_path):
    path = page_cases.few(tmp_path, sources=("appearance", "motion"))
    folder = path.parent.parent
    result = json.loads(path.read_text())
    shards = {f"results/own/flow/{shard}.json": "0" for shard in ("000", "001")}
    result["provenance"]["stages"]["flow"] = {
        "artifacts": shards, "seconds": 90.0, "solver": ["cpu 1"],
    }  # fmt: skip
    path.write_text(json.dumps(result))
    for shard, mebibytes in (("000", "100.5"), ("001", "200")):
        (folder / "flow").mkdir(exist_ok=True)
        (folder / "flow" / f"{shard}.h5").write_bytes(b"x" * 500)
        table = folder / "benchmarks" / "flow" / f"{shard}.tsv"
        table.parent.mkdir(parents=True, exist_ok=True)
        table.write_text(f"s\th:m:s\tmax_rss\n1.1\t0:00:01\t{mebibytes}\n")
    # One job scores by all networks.
    (folder / "benchmarks" / "split1").mkdir()
    (folder / "benchmarks" / "split1" / "scores.tsv").write_text("s\tmax_rss\n1\t-\n")
    told = costs(find(path))
    rows = {row["stage"]: row for row in told["rows"]}
    assert rows["flow"]["memory"] == 200 * 2**20 and rows["flow"]["bytes"] == 1000
    assert rows["flow"]["files"] == 2 and rows["flow"]["devices"] == ["cpu 1"]
    assert rows["scores"]["memory"] is None and rows["scores"]["bytes"] > 1000
    assert told["seconds"] == 7290 and told["memory"] == 200 * 2**20


def test_a_result_without_stages_is_said(tmp_path):
    path = page_cases.few(tmp_path, provenance={"stages": {}, "config": {"a": 1}})
    with pytest.raises(PipelineError, match="does not say which stages"):
        costs(find(path))
