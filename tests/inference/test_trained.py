"""Runs read from their own files: what they must say, and what must fit together."""

import json
import shutil

import pytest
import trained_runs

from pipeline.errors import PipelineError
from pipeline.inference import trained
from pipeline.models import checkpoint


@pytest.fixture(scope="module")
def acc(tmp_path_factory):
    return trained_runs.once(tmp_path_factory)


def read(acc, **changes) -> trained.Trained:
    result = json.loads(acc.read_text()) | changes
    return trained.of_run(result, acc, result["fusion"])


def test_a_run_has_all_that_it_learned(acc):
    run = read(acc)
    assert run.name == "tiny split1" and run.classes == trained_runs.CLASSES
    assert run.sources == [*trained_runs.SOURCES, "idt"]
    assert not any(model.training for model in run.models.values())
    # The one clip that it was trained on.
    (digest,) = run.training
    assert len(digest) == 16 and set(run.made["code"]) == set(trained.STAGES)
    assert run.result["accuracy"] == json.loads(acc.read_text())["accuracy"]


def test_settings_are_those_of_the_run(acc):
    """Keys that came later have the meaning that they had before."""
    result = json.loads(acc.read_text())
    config = result["provenance"]["config"]
    del config["scores"]["snippets"], config["scores"]["crops"], config["network"]["backbone"]
    settings = trained.settings_of(result, acc)
    assert settings["scores"] == {"batch": 60, "crops": "centre", "space": "logits", "snippets": 0}
    assert settings["network"]["backbone"] == "vgg16" and "set" not in settings
    assert settings["stack"] == trained_runs.settings()["stack"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda p: p.pop("config"), "which settings it was made with"),
        (lambda p: p["config"].pop("flow"), "'flow' is a required property"),
        (lambda p: p["config"]["crops"].update(size=10**6), "more than 4,096"),
        (lambda p: p["stages"].pop("scores"), "of which networks its scores are"),
        (lambda p: p.update(stages=[]), "of which networks its scores are"),
    ],
)
def test_results_that_do_not_say_enough(acc, change, reason):
    provenance = json.loads(acc.read_text())["provenance"]
    change(provenance)
    with pytest.raises(PipelineError, match=reason) as caught:
        read(acc, provenance=provenance)
    assert str(caught.value).startswith(f"{acc}: ")


@pytest.fixture
def copy(acc, tmp_path):
    """A copy of the run, to be damaged."""
    shutil.copytree(acc.parents[2], tmp_path / "results")
    return tmp_path / "results" / "tiny" / "split1" / "acc.json"


def test_missing_networks_are_named(copy):
    (copy.parent / "motion" / "co2fi.pt").unlink()
    with pytest.raises(PipelineError, match="motion/co2fi.pt: there is no such file"):
        read(copy)


def test_networks_of_another_run_are_refused(copy):
    with pytest.raises(PipelineError, match="a model for set 'tiny', but 'other' is wanted"):
        read(copy, set="other")


def test_networks_of_other_classes_are_refused(copy):
    model = trained.build("motion", trained_runs.settings(), 3)
    about = {"kind": "co2fi", "set": "tiny", "split": "split1", "stream": "motion"}
    checkpoint.save(copy.parent / "motion" / "co2fi.pt", model, classes=["a", "b", "c"], **about)
    with pytest.raises(PipelineError, match="its networks have different classes"):
        read(copy)


def test_damaged_networks_are_refused(copy):
    path = copy.parent / "motion" / "co2fi.pt"
    content = bytearray(path.read_bytes())
    content[-1000] ^= 1
    path.write_bytes(content)
    with pytest.raises(PipelineError, match="not as it was written"):
        read(copy)


def test_given_scores_of_trajectories_are_no_trajectories(acc):
    """They are of the test clips, and nothing gives them for another video."""
    provenance = json.loads(acc.read_text())["provenance"]
    artifacts = provenance["stages"]["scores"]["artifacts"]
    (path,) = [path for path in artifacts if path.endswith("idt/scores.json")]
    artifacts[path.replace("scores.json", "given.json")] = artifacts.pop(path)
    run = read(acc, provenance=provenance)
    assert run.trajectories is None and run.sources == [*trained_runs.SOURCES]


def test_without_the_table_of_training_clips_none_is_known(copy):
    (copy.parent / "train.csv").unlink()
    assert read(copy).training == frozenset()


@pytest.mark.parametrize(
    "change",
    [
        {"rule": "mean"},
        {"weights": {"motion": 1}},
        {"weights": dict.fromkeys(trained_runs.SOURCES, float("nan"))},
        {"weights": dict.fromkeys(trained_runs.SOURCES, "1")},
        {"weights": dict.fromkeys(trained_runs.SOURCES, 0)},
        {"spreads": {}},
        {"idt": {"weight": 0.5, "normalise": "best"}},
        {"idt": None},
    ],
)
def test_fusions_that_cannot_be_are_refused(acc, change):
    fusion = json.loads(acc.read_text())["fusion"] | change
    with pytest.raises(PipelineError, match="does not say how its scores are fused"):
        read(acc, fusion=fusion)
