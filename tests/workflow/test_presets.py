"""The presets of workflow/presets, laid over sets: configs that can be run."""

import pytest
import torch
import yaml
from config_cases import CONFIG
from typer.testing import CliRunner
from workspace import ROOT, TINY

from pipeline.cli.app import app
from pipeline.config import check, runs
from pipeline.config.settings import overlay
from pipeline.models import factory

PRESETS = sorted((ROOT / "workflow" / "presets").glob("*.yaml"))
# The set's own settings would win over a preset's if these were top-level sections.
MINE = {"format": "ucf101", "videos": "v", "lists": "l", "shards": 1, "accept_damaged": []}
SETS = {"sets": {"mine": MINE | {"settings": TINY}, "plain": MINE}}


def test_there_are_two():
    assert [path.name for path in PRESETS] == ["cpu.yaml", "gpu.yaml"]


@pytest.mark.parametrize("preset", PRESETS, ids=lambda path: path.stem)
def test_a_preset_passes_pipeline_check_over_a_set(preset, tmp_path):
    mine = tmp_path / "mine.yaml"
    mine.write_text(yaml.safe_dump(SETS))
    done = CliRunner().invoke(app, ["check", str(mine), str(preset)])
    assert done.exit_code == 0, done.output


@pytest.mark.parametrize("name", ["mine", "plain", "ucf101", "hmdb51"])
@pytest.mark.parametrize("preset", PRESETS, ids=lambda path: path.stem)
def test_a_preset_wins_and_its_networks_can_be_built(preset, name):
    config = yaml.safe_load(yaml.safe_dump(CONFIG))
    text = yaml.safe_load(preset.read_text())
    overlay(overlay(config, SETS), text)
    check.check(config)
    for variant in ("complete", *config["variants"]):
        run = runs.Run("split1", variant)
        checked = check.check_run(config, name, run, 51)
        size = checked["crops"]["size"]
        assert size == text["all_sets"]["crops"]["size"] == {"cpu": 112, "gpu": 224}[preset.stem]
        assert checked["network"]["backbone"] == text["all_sets"]["network"]["backbone"]
        of_kind = text["all_sets"]["by_kind"].get(checked["network"]["kind"], {})
        for schedule in ("teacher", "co2fi", "asyn"):
            ours, wanted = checked[schedule], text["all_sets"][schedule]
            assert ours | wanted | of_kind.get(schedule, {}) == ours
        # A baseline's loss is not divided by the number of classes.
        rate = {"cpu": 0.001, "gpu": 0.0001 if of_kind else 0.01}[preset.stem]
        head = {"cpu": 3 if of_kind else 45, "gpu": 1}[preset.stem]
        ours = checked["co2fi"]
        assert (ours["batch"], ours["lr"], ours["head_lr"]) == (16, rate, head)
        assert checked["teacher"]["lr"] == checked["asyn"]["lr"] == 0.01
    whole = runs.for_run(config, name, runs.Run("split1"))
    with torch.device("meta"):
        factory.teacher(whole, "motion", 51)
        net = factory.asyn(whole, "motion-to-appearance", 51)
        one = torch.zeros(2, 2 * whole["stack"], size, size)
        output = net(one, torch.zeros(2, whole["period"]["instants"], 3, size, size))
    assert output.units.shape == (whole["period"]["instants"], 2, 51)
