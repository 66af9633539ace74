"""Several results and tables as lines; see also `tests/cli/test_show.py`."""

import json

from pipeline.report.several import show_lines

SHARES = {"appearance": 0.5, "asyn": 0.75}


def result(folder, name, shares):
    found = {"set": name, "split": "split1", "clips": 64, "classes": 8, "headline": "asyn"}
    found |= {"accuracy": shares, "mean_class_accuracy": shares}
    folder.mkdir()
    (folder / "acc.json").write_text(json.dumps(found))
    return folder


def test_means_are_over_what_all_results_have(tmp_path):
    paths = [result(tmp_path / "a", "mine", SHARES), result(tmp_path / "b", "mine", {"asyn": 0.25})]
    head, row = show_lines(paths, 5)[-2:]
    assert head.startswith("mean of 2 results")
    assert row.split()[:3] == ["asynchronous", "fusion", "50.0%"]


def test_results_of_two_sets_have_no_mean(tmp_path):
    paths = [result(tmp_path / name, name, SHARES) for name in ("mine", "other")]
    assert not any("mean of" in line for line in show_lines(paths, 5))
