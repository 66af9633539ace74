"""Runs by their paths, and what differs between their program and this one."""

import json
import shutil

import pytest
import trained_runs as made_runs

from pipeline.errors import PipelineError
from pipeline.inference import packed
from pipeline.report import trained_runs


@pytest.fixture(scope="module")
def acc(tmp_path_factory):
    return made_runs.once(tmp_path_factory)


@pytest.fixture
def copy(acc, tmp_path):
    """A copy of the run, whose result a test may change."""
    shutil.copytree(acc.parents[2], tmp_path / "results")
    return tmp_path / "results" / "tiny" / "split1" / "acc.json"


def change(path, **changes):
    result = json.loads(path.read_text())
    for key, value in changes.items():
        result[key] = value
    # Written by hand, it has no seal.
    shutil.rmtree(path.parent / ".sums")
    path.write_text(json.dumps(result))


def test_a_result_its_folder_and_an_export_are_one_run(acc, tmp_path):
    packed.write(trained_runs.read(acc), tmp_path / "a.run", "card")
    runs = [trained_runs.read(path) for path in (acc, acc.parent, tmp_path / "a.run")]
    assert runs[0].fusion == json.loads(acc.read_text())["fusion"]
    for run in runs[1:]:
        assert (run.result, run.settings, run.fusion) == (
            runs[0].result,
            runs[0].settings,
            runs[0].fusion,
        )


def test_spreads_that_a_result_lacks_are_measured_again(acc, copy):
    """Those of results before they were stated: over the run's own test clips."""
    stated = json.loads(acc.read_text())["fusion"]
    older = json.loads(json.dumps(stated))
    del older["spreads"]["asyn"]
    change(copy, fusion=older)
    assert trained_runs.read(copy).fusion == stated
    oldest = json.loads(copy.read_text())
    del oldest["fusion"]
    copy.write_text(json.dumps(oldest))
    assert trained_runs.read(copy).fusion == stated


def test_stated_spreads_are_taken_as_they_are(copy):
    fusion = json.loads(copy.read_text())["fusion"]
    fusion["spreads"]["motion"] = 7.5
    change(copy, fusion=fusion)
    assert trained_runs.read(copy).fusion["spreads"]["motion"] == 7.5


def test_an_export_whose_result_is_none_is_refused(acc, tmp_path):
    run = trained_runs.read(acc)
    run.result = {**run.result, "accuracy": {"asyn": 2}}
    packed.write(run, tmp_path / "a.run", "card")
    with pytest.raises(PipelineError, match="not a result of this program"):
        trained_runs.read(tmp_path / "a.run")


def test_nothing_is_noted_of_a_run_of_this_program(acc):
    assert trained_runs.notes(trained_runs.read(acc)) == []


def test_other_code_and_versions_are_noted(acc):
    run = trained_runs.read(acc)
    run.made["code"]["flow"] = ["0123456789abcdef"]
    run.made["packages"]["torch"] = "1.0"
    code, versions = trained_runs.notes(run)
    assert code.startswith("other code made this run (flow), ")
    assert versions.startswith("this run was made with torch 1.0 (here 2.")


def test_an_installed_package_has_no_programs_to_compare(acc, tmp_path, monkeypatch):
    monkeypatch.setattr(trained_runs, "PROGRAMS", tmp_path)
    run = trained_runs.read(acc)
    run.made["code"]["flow"] = ["0123456789abcdef"]
    assert trained_runs.notes(run) == []
