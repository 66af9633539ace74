"""A teacher that is a pretrained network of timm, through all stages that read it."""

import json

import pytest
import timm
import torch
from workspace import Workspace

TEACHER, WEIGHTS = "test_resnet", "teacher.pth"
RESULT = "results/mini/split1/direct/acc.json"


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Workspace:
    """A run of the variant that joins the teacher to its own network."""
    workspace = Workspace(tmp_path_factory.mktemp("teacher") / "project")
    torch.manual_seed(3)
    torch.save(timm.create_model(TEACHER).state_dict(), workspace.folder / WEIGHTS)
    workspace.settings["teacher"] |= {"backbone": TEACHER, "weights": WEIGHTS, "head_lr": 5.0}
    workspace.settings["idt"]["enabled"] = False
    workspace.make(RESULT)
    return workspace


def test_all_stages_take_it(made):
    result = json.loads(made.read(RESULT))
    assert {"appearance", "motion"} <= set(result["accuracy"])
    for stream in ("appearance", "motion"):
        content = torch.load(
            made.folder / f"results/mini/split1/{stream}/teacher.pt", weights_only=True
        )
        direct = torch.load(
            made.folder / f"results/mini/split1/direct/{stream}/co2fi.pt", weights_only=True
        )
        joined = {name for name in direct["state"] if name.startswith("beside.")}
        assert joined == {f"beside.{name}" for name in content["state"]}
    assert made.planned(RESULT) == {}


def test_other_weights_are_another_teacher(made):
    """All that reads it is made anew; the teacher is what changed first."""
    torch.manual_seed(4)
    torch.save(timm.create_model(TEACHER).state_dict(), made.folder / WEIGHTS)
    planned = made.planned(RESULT)
    assert (planned["teacher"], planned["co2fi"]) == (2, 2)
    assert not {"flow", "frames", "examine", "groups"} & set(planned)
