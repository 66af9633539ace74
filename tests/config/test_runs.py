"""Runs of a data set: their texts, and the settings of variants and seeds."""

import copy
import re
from pathlib import Path

import pytest
import yaml
from config_cases import CONFIG, changed

from pipeline.config import check, runs, settings
from pipeline.streams import STREAMS

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    "text, variant, seed",
    [
        ("split1", "complete", None),
        ("split2/baseline", "baseline", None),
        ("split1/seed3", "complete", 3),
        ("split3/syn/seed12", "syn", 12),
    ],
)
def test_a_run_is_its_path(text, variant, seed):
    run = runs.Run.parse(text)
    assert (run.split, run.variant, run.seed, str(run)) == (text.split("/")[0], variant, seed, text)


def test_a_variant_is_laid_over_the_set_and_over_its_streams():
    syn = runs.for_run(CONFIG, "demo", runs.Run.parse("split1/baseline_syn/seed7"))
    assert (syn["network"]["kind"], syn["period"]["delta"], syn["seed"]) == ("baseline", 0, 7)
    assert syn["network"]["width"] == CONFIG["sets"]["demo"]["settings"]["network"]["width"]
    assert runs.for_run(CONFIG, "demo", runs.Run("split1")) == settings.for_set(CONFIG, "demo")


def test_a_variant_takes_the_streams_that_it_names():
    def streams(text):
        return str(runs.Run.parse(text).streams(CONFIG))

    assert (
        streams("split1/baseline_asyn1/seed2") == "split1/baseline/seed2"
        and streams("split2/syn") == "split2"
    )
    assert streams("split1/direct") == "split1/direct" and streams("split1") == "split1"
    fuses = {
        name for name in ("complete", *CONFIG["variants"]) if runs.Run("split1", name).fuses(CONFIG)
    }
    assert fuses == {"complete", "baseline_syn", "baseline_asyn1", "baseline_asyn5", "syn"}


def test_a_stream_may_have_a_schedule_and_dropout_of_its_own():
    tsn = runs.for_run(CONFIG, "demo", runs.Run("split1", "tsn"))
    before = copy.deepcopy(tsn)
    rates = {}
    for stream in STREAMS:
        own = runs.for_stream(tsn, stream)
        rates[stream] = (own["network"]["dropout"]["fc6"], own["network"]["dropout"]["fc7"])
        # All else is common: demo's schedule, with three segments.
        assert own["co2fi"] == settings.for_set(CONFIG, "demo")["co2fi"] | {"segments": 3}
        assert own["network"]["dropout"]["hidden"] == 0.2 and "by_stream" not in own
        own["network"]["dropout"]["fc7"] = 0.0
    assert rates == {"appearance": (0.8, 0.8), "motion": (0.7, 0.7)}
    assert tsn == before


def test_settings_by_stream_of_a_variant_are_laid_over_those_of_its_set():
    config = changed("sets.demo.settings.by_stream", {"motion": {"co2fi": {"lr": 0.5, "batch": 8}}})
    config["variants"]["tsn"]["settings"]["by_stream"]["motion"]["co2fi"] = {"lr": 0.25}
    tsn = runs.for_run(config, "demo", runs.Run("split1", "tsn"))
    motion, appearance = (runs.for_stream(tsn, name) for name in ("motion", "appearance"))
    assert (motion["co2fi"]["lr"], motion["co2fi"]["batch"]) == (0.25, 8)
    assert motion["network"]["dropout"]["fc7"] == 0.7
    assert (appearance["co2fi"]["lr"], appearance["co2fi"]["batch"]) == (0.02, 16)
    # Of a run without such settings, the settings themselves.
    whole = runs.for_run(CONFIG, "demo", runs.Run("split1"))
    assert runs.for_stream(whole, "motion") == whole


def test_settings_by_kind_are_laid_over_those_beside_which_they_stand():
    config = copy.deepcopy(CONFIG)
    config["by_kind"] = {"baseline": {"co2fi": {"lr": 0.25, "clip": 3}}}
    config["variants"]["tsn"]["settings"]["co2fi"]["clip"] = 7

    def schedule(variant: str, name: str = "ucf101") -> tuple:
        own = runs.for_run(config, name, runs.Run("split1", variant))
        assert "by_kind" not in own
        return tuple(own["co2fi"][key] for key in ("lr", "batch", "clip"))

    assert schedule("complete") == schedule("no_grouping") == schedule("direct") == (0.01, 16, 0)
    # The streams of a fused variant are those of another, of whatever kind.
    assert schedule("baseline") == schedule("baseline_syn") == (0.25, 16, 3)
    assert schedule("tsn") == (0.25, 16, 7)
    # A set's rate is that of all kinds where the set says no more.
    assert schedule("baseline", "demo") == (0.02, 16, 3)
    of_set = config["sets"]["demo"]["settings"]
    of_set["by_kind"] = {"baseline": {"co2fi": {"batch": 8}}}
    assert (schedule("baseline", "demo"), schedule("complete", "demo")) == (
        (0.02, 8, 3),
        (0.02, 16, 0),
    )
    config["all_sets"] = {"co2fi": {"batch": 4}, "by_kind": {"baseline": {"co2fi": {"lr": 2}}}}
    assert (schedule("baseline", "demo"), schedule("complete", "demo")) == ((2, 4, 3), (0.02, 4, 0))
    # The kind may be the set's.
    of_set["network"]["kind"] = "baseline"
    assert schedule("complete", "demo") == (2, 4, 3)
    assert settings.for_set(config, "demo")["co2fi"]["lr"] == 2


def test_tsns_own_schedule_in_the_docs_is_that_of_its_paper():
    """Wang et al. (ECCV 2016), section 4.1; one lr_step cannot also fall after 18,000."""
    (block,) = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs" / "method.md").read_text(), re.S)
    config = settings.overlay(copy.deepcopy(CONFIG), yaml.safe_load(block))
    check.check(config)
    tsn = check.check_run(config, "ucf101", runs.Run("split1", "tsn"), 101)
    found = {}
    for stream in STREAMS:
        own = runs.for_stream(tsn, stream)
        assert own["co2fi"]["segments"] == 3
        found[stream] = [
            own["co2fi"][key] for key in ("iterations", "batch", "lr", "lr_step", "lr_factor")
        ] + [own["network"]["dropout"]["fc7"]]
    assert found == {
        "appearance": [4500, 256, 0.001, 2000, 0.1, 0.8],
        "motion": [20000, 256, 0.005, 12000, 0.1, 0.7],
    }
