"""What lies beside a result, and what is not taken for it."""

import json

import numpy as np
import page_cases
import pytest

from pipeline.errors import PipelineError
from pipeline.report.page.found import Found, find, read_json_lines


def changed(path, change) -> Found:
    result = json.loads(path.read_text())
    change(result)
    path.write_text(json.dumps(result))
    return find(path)


def test_a_folder_stands_for_its_result(tmp_path):
    path = page_cases.few(tmp_path)
    assert find(path.parent).path == path == find(path).path
    with pytest.raises(PipelineError, match="there is no acc.json in this folder"):
        find(tmp_path)
    with pytest.raises(PipelineError, match="there is no such file"):
        find(tmp_path / "acc.json")


@pytest.mark.parametrize(
    "run, name",
    [
        ("split1", "own split1"),
        ("split2/baseline", "own split2, baseline"),
        ("split1/syn/seed3", "own split1, syn, seed 3"),
        ("an odd/name/of/its/own", "own an odd/name/of/its/own"),
    ],
)
def test_a_result_is_named_by_its_run(tmp_path, run, name):
    found = find(page_cases.few(tmp_path, run=run))
    assert found.name == name
    assert found.set_folder == tmp_path / "results" / "own"


def test_scores_are_found_after_the_folder_was_moved(tmp_path):
    page_cases.few(tmp_path / "before")
    (tmp_path / "before").rename(tmp_path / "after")
    found = find(tmp_path / "after" / "results" / "own" / "split1")
    assert len(found.clips) == 18 and set(found.fused.values) >= {"asyn", "idt", "asyn_idt"}
    assert found.rows[0]["clip"] == "Bow/v_0000"


def test_a_result_alone_says_what_is_missing(tmp_path):
    path = page_cases.few(tmp_path)
    alone = tmp_path / "alone" / "acc.json"
    alone.parent.mkdir()
    alone.write_bytes(path.read_bytes())
    with pytest.raises(PipelineError, match="scores of single clips are not beside this result"):
        _ = find(alone).scores


def test_scores_of_another_result_are_noticed(tmp_path):
    path = page_cases.few(tmp_path)

    def better(result):
        result["accuracy"]["asyn"] = 1.0

    with pytest.raises(PipelineError, match="not those that it was made of: asynchronous fusion"):
        _ = changed(path, better).fused


def test_no_file_outside_of_the_set_is_read(tmp_path):
    path = page_cases.few(tmp_path)
    outside = ["results/own/../../secret/scores.json", "/etc/scores.json", "../a/scores.json"]

    def redirect(result):
        result["provenance"]["stages"]["scores"]["artifacts"] = dict.fromkeys(outside, "0")

    assert changed(path, redirect).records("scores") == []


def test_a_table_of_other_clips_is_noticed(tmp_path):
    path = page_cases.few(tmp_path)
    page_cases.few(tmp_path / "other", classes=["A", "B", "C"])
    other = tmp_path / "other" / "results" / "own" / "split1" / "test.csv"
    (path.parent / "test.csv").write_bytes(other.read_bytes())
    (path.parent / ".sums" / "test.csv").unlink()
    with pytest.raises(PipelineError, match="is of other clips"):
        _ = find(path).rows


def test_fusions_are_those_of_the_result(tmp_path):
    found = find(page_cases.few(tmp_path))
    right = {
        name: np.flatnonzero(values.argmax(axis=1) == found.labels)[:3].tolist()
        for name, values in found.fused.values.items()
    }
    # Clips of the first class, as `few` says.
    assert right["two_stream"] == [0, 2, 3] and right["asyn"] == [0, 1, 3]
    assert right["asyn_idt"] == [0, 1, 6]


def test_lines_that_were_cut_short_are_left_out(tmp_path):
    path = tmp_path / "history.jsonl"
    path.write_text('{"iteration": 1}\n[2]\n{"iteration": 3}\n{"iter')
    assert [line["iteration"] for line in read_json_lines(path)] == [1, 3]
    assert read_json_lines(tmp_path / "none.jsonl") == []
