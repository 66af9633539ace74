"""What networks of each kind read of the settings."""

import config_cases
import pytest
import yaml
from workspace import ROOT

from pipeline.config import kinds

# What tells them apart, by kind.
HAVE = {"co2fi": (True, True), "direct": (False, True), "baseline": (False, False)}


def of_kind(kind: str) -> dict:
    settings = config_cases.changed("stack", 3)
    settings["network"]["kind"] = kind
    return settings


@pytest.mark.parametrize("kind", kinds.KINDS)
def test_groups_are_co2fis_and_teachers_are_not_a_baselines(kind):
    settings = of_kind(kind)
    assert (kinds.has_groups(settings), kinds.has_teacher(settings)) == HAVE[kind]


def test_no_kind_is_missing():
    """A kind that the schema gets wants a line here."""
    schema = yaml.safe_load((ROOT / "workflow/schemas/config.schema.yaml").read_text())
    allowed = schema["$defs"]["network"]["properties"]["kind"]["enum"]
    assert sorted(kinds.KINDS) == sorted(allowed)


@pytest.mark.parametrize("kind", kinds.KINDS)
def test_settings_that_all_read_stay(kind):
    settings = of_kind(kind)
    read = kinds.read_by_networks(settings)
    assert read["network"]["backbone"] == settings["network"]["backbone"]
    assert read["loss"]["gamma"] == settings["loss"]["gamma"] and read["co2fi"] == settings["co2fi"]
    assert settings == of_kind(kind), "and the settings themselves are as they were"


@pytest.mark.parametrize(
    ("kind", "read", "unread"),
    [
        ("co2fi", {"fc1", "hidden", "shared"}, {"fc"}),
        ("direct", {"fc"}, {"fc1", "fc2", "hidden", "shared", "side_maps", "side_connections"}),
        ("baseline", {"fc"}, {"fc1", "fc2", "hidden", "shared", "side_maps", "side_connections"}),
    ],
)
def test_layers_are_read_by_the_kinds_that_have_them(kind, read, unread):
    found = kinds.read_by_networks(of_kind(kind))
    assert read <= found["network"].keys() and not unread & found["network"].keys()
    own = {"fc1", "fc2", "hidden"} if kind == "co2fi" else {"fc6", "fc7"}
    assert found["network"]["dropout"].keys() == own
    assert ("groups" in found, "teacher" in found) == (kind == "co2fi", kind == "direct")


def test_a_part_of_the_settings_may_lack_what_is_left_out():
    assert kinds.read_by_networks({"network": {"kind": "baseline"}}) == {
        "network": {"kind": "baseline"}
    }
