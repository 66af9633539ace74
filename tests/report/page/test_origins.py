"""Settings that differ from the defaults."""

import page_cases

from pipeline.report.page.found import find
from pipeline.report.page.origins import differences, origins


def test_the_defaults_themselves_differ_in_nothing():
    assert differences(page_cases.settings() | {"set": {"videos": "v"}}, "own") == []


def test_differences_are_by_value_and_name_both():
    config = page_cases.settings(stack=5, seed=1.0)
    config["flow"] = config["flow"] | {"bound": 20, "warps": 2}
    config["extra"] = {"key": [1, 2]}
    del config["store"]
    assert differences(config, "own") == [
        {"key": "extra.key", "default": None, "own": "[1, 2]"},
        {"key": "flow.warps", "default": "5", "own": "2"},
        {"key": "stack", "default": "10", "own": "5"},
    ]


def test_settings_of_a_known_set_are_differences_too():
    """The demo's own settings are not the defaults of a set."""
    config = page_cases.settings(stack=5)
    assert [row["key"] for row in differences(config, "demo")] == ["stack"]


def test_origins_have_versions_and_code(tmp_path):
    told = origins(find(page_cases.few(tmp_path)))
    assert told["seed"] == 1 and told["packages"] == {"numpy": "2.4.6"}
    assert told["code"] == {"scores": ["c0de"]} and told["set"] == {"format": "ucf101"}
