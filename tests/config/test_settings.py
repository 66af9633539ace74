"""Settings of a data set: merged, narrowed to a rule's keys, and dumped as text."""

import copy
import json
import math

import pytest
from config_cases import CONFIG, changed

from pipeline.config import runs, settings
from pipeline.errors import PipelineError


def test_for_set_lays_its_settings_over_the_rest():
    before = copy.deepcopy(CONFIG)
    config = changed(
        "sets.demo.settings", {"stack": 7, "flow": {"bound": 3.5}, "crops": {"frame": [90, 70]}}
    )
    del config["sets"]["ucf101"]["settings"]
    own = settings.for_set(config, "demo")
    assert "sets" not in own and own["stack"] == 7 and own["crops"]["frame"] == [90, 70]
    assert own["flow"] == CONFIG["flow"] | {"bound": 3.5}
    assert own["co2fi"] == CONFIG["co2fi"]
    plain = settings.for_set(config, "ucf101")
    assert plain == {key: value for key, value in CONFIG.items() if key in own}
    own["flow"]["tau"] = plain["flow"]["tau"] = -1
    assert config["flow"] == before["flow"] and config["sets"]["demo"]["settings"]["flow"] == {
        "bound": 3.5
    }


def test_all_sets_are_laid_over_a_sets_own_settings_and_under_variants():
    config = changed("all_sets", {"stack": 3, "flow": {"bound": 2.5}, "period": {"delta": 4}})
    own = settings.for_set(config, "demo")
    assert (own["stack"], own["flow"]["bound"], own["flow"]["warps"]) == (3, 2.5, 2)
    assert "all_sets" not in own
    synchronous = runs.for_run(config, "demo", runs.Run("split1", "syn"))
    assert own["period"]["delta"] == 4 and synchronous["period"]["delta"] == 0
    own["flow"]["bound"] = -1
    assert config["all_sets"]["flow"]["bound"] == 2.5
    # A config of an earlier version has no such section.
    del config["all_sets"]
    assert settings.for_set(config, "demo")["stack"] == 5


def test_unknown_set():
    with pytest.raises(PipelineError) as caught:
        settings.for_set(CONFIG, "ucf11")
    message = str(caught.value)
    assert "'ucf11'" in message and "did you mean 'ucf101'" in message and "hmdb51" in message


def test_cut_takes_what_is_named():
    config = {"seed": 1, "flow": {"tau": 0.25, "bound": 20}, "co2fi": {"lr": 0.01, "batch": 16}}
    assert settings.choose(config, "seed", "co2fi.lr") == {"seed": 1, "co2fi": {"lr": 0.01}}
    assert settings.choose(config, "flow", "co2fi.lr", "co2fi.batch") == {
        "flow": config["flow"],
        "co2fi": config["co2fi"],
    }
    assert settings.choose(config) == {}
    with pytest.raises(KeyError):
        settings.choose(config, "flow.theta")


def test_dump_is_one_stable_line():
    text = settings.dump({"b": {"y": [1, 2.5], "x": "\u00e9\n"}, "a": None})
    assert (
        text == settings.dump({"a": None, "b": {"x": "\u00e9\n", "y": [1, 2.5]}})
        and "\n" not in text
    )
    assert json.loads(text) == {"a": None, "b": {"x": "\u00e9\n", "y": [1, 2.5]}}
    assert text != settings.dump({"b": {"y": [1, 2], "x": "\u00e9\n"}, "a": None})


def test_dump_spells_equal_numbers_equally():
    assert settings.dump({"flow": {"bound": 5}}) == settings.dump({"flow": {"bound": 5.0}})
    assert settings.dump({"flow": {"bound": 5.5}}) != settings.dump({"flow": {"bound": 5}})


@pytest.mark.parametrize(
    "value, expected",
    [
        (5.0, 5),
        (-3.0, -3),
        (-0.0, 0),
        (5, 5),
        (2.5, 2.5),
        (2.0**53, 2**53),
        (2.0**54, 2.0**54),
        (1e300, 1e300),
        (math.inf, math.inf),
        (-math.inf, -math.inf),
        (True, True),
        (False, False),
        (None, None),
        ("5.0", "5.0"),
        ([1.0, [2.0, 0.5]], [1, [2, 0.5]]),
        ((1.0, 2.0), [1, 2]),
        ({"a": {"b": 1.0, "c": [True, 0.0]}}, {"a": {"b": 1, "c": [True, 0]}}),
    ],
)
def test_canonical(value, expected):
    # repr tells 5 from 5.0 and True from 1, at any depth, where == does not.
    assert repr(settings.canonical(value)) == repr(expected)


def test_canonical_leaves_nan():
    assert math.isnan(settings.canonical(math.nan))


def test_canonical_copies():
    value = {"alpha": [1.0, 0.5]}
    settings.canonical(value)["alpha"].append(2)
    assert repr(value) == "{'alpha': [1.0, 0.5]}"
