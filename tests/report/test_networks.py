"""What is said of the file of a network, worked out by hand."""

import json
import os

import pytest
import torch

from pipeline.errors import PipelineError
from pipeline.models import checkpoint
from pipeline.report import networks


@pytest.fixture
def network(tmp_path):
    """A run's folder with a network of 4 x 3 + 4 + 2 x 4 parameters, and its batch statistics."""
    folder = tmp_path / "split1" / "motion"
    folder.mkdir(parents=True)
    layers = {"stem": torch.nn.Linear(3, 4), "norm": torch.nn.BatchNorm1d(4)}
    rows = [{"clip": f"Run/{number}", "group": str(number // 2)} for number in range(4)]
    about = {"kind": "co2fi", "set": "mini", "split": "split1", "stream": "motion"}
    path = folder / "co2fi.pt"
    classes = ["Bow", "Jump", "Run", "Sit", "Wave"]
    checkpoint.save(path, torch.nn.ModuleDict(layers), rows, classes=classes, **about)
    return path


def test_what_a_network_is(network):
    lines = [" ".join(line.split()) for line in networks.describe(str(network))]
    assert "network stream network" in lines and "stream motion" in lines
    assert "trained on 4 clips of 2 groups" in lines
    # 24 parameters and 8 statistics of 4 bytes, and a counter of 8.
    assert "parameters 24; 136 B in memory" in lines
    assert "classes Bow, Jump, Run, .. 5 in all" in lines
    assert lines[-2:] == ["stem 2 16", "norm 2 8"]
    assert "classes Bow, Jump, Run, Sit, Wave" in [
        " ".join(line.split()) for line in networks.describe(str(network), everything=True)
    ]


def test_how_its_training_went(network):
    settings = {
        "network": {"kind": "co2fi", "backbone": "vgg16"},
        "co2fi": {"iterations": 1000, "batch": 16},
    }
    record = {"settings": settings, "seconds": 1234.5, "device": "cpu, 2 threads"}
    network.with_suffix(".json").write_text(json.dumps(record))
    network.with_suffix(".history.jsonl").write_text(
        '{"iteration": 100, "loss": 2.5, "lr": 0.1}\n{"iteration": 1000, "loss": 0.25, "lr": 0.1}\n'
    )
    result = {"set": "mini", "split": "split1", "clips": 64, "classes": 5, "headline": "motion"}
    result |= dict.fromkeys(("accuracy", "mean_class_accuracy"), {"motion": 0.5})
    (network.parents[1] / "acc.json").write_text(json.dumps(result))
    text = " ".join(" ".join(networks.describe(str(network))).split())
    assert "architecture co2fi on vgg16" in text and "iterations 1,000 of 16 samples" in text
    assert "took 1,234 s on cpu, 2 threads" in text
    assert "loss 2.5000 at iteration 100, 0.2500 at 1,000" in text
    assert "accuracy 50.0% of 64 test clips, 95 % interval 38.1-61.9 %" in text


@pytest.mark.parametrize("content", ["", "{", "[]", '{"settings": 3}'])
def test_damaged_files_beside_are_not_used(network, content):
    for name in ("co2fi.json", "co2fi.history.jsonl", "../acc.json"):
        (network.parent / name).write_text(content)
    assert "iterations" not in "\n".join(networks.describe(str(network)))


class Hostile:
    """Runs a command where it is unpickled."""

    def __init__(self, made):
        self.made = made

    def __reduce__(self):
        return os.mkdir, (str(self.made),)


def test_files_of_other_programs_are_no_networks(tmp_path):
    path, made = tmp_path / "other.pt", tmp_path / "made"
    for content, why in (
        ({"a": torch.zeros(1)}, "it has no 'about'"),
        ([1], "list indices"),
        ({"about": "{}", "state": {}}, "it has no 'clips'"),
        (Hostile(made), "it holds Python objects, and none is unpickled"),
    ):
        torch.save(content, path)
        with pytest.raises(PipelineError) as found:
            networks.describe(str(path))
        assert f"and not a network of this pipeline ({why}" in str(found.value)
    assert not made.exists()
