"""docs/settings.md against the schema and the defaults that it is written from."""

import re
import runpy

import yaml
from doc_blocks import ROOT

PAGE = (ROOT / "docs" / "settings.md").read_text()
SCHEMA = yaml.safe_load((ROOT / "workflow/schemas/config.schema.yaml").read_text())
CONFIG = yaml.safe_load((ROOT / "config.yaml").read_text())


def test_page_is_what_the_program_writes():
    written = runpy.run_path(str(ROOT / "docs/programs/settings_page.py"))["page"]()
    assert written == PAGE, "run python docs/programs/settings_page.py"


def table(section: str) -> dict[str, list[str]]:
    """The cells of the rows of a section's table, by key."""
    text = re.search(rf"^## `{re.escape(section)}`\n(.*?)(?=^## |\Z)", PAGE, re.M | re.S)[1]
    rows = [re.split(r"(?<!\\) \| ", line.strip("| ")) for line in text.splitlines()]
    return {row[0].strip("`"): row[1:] for row in rows if row[0].startswith("`")}


def test_each_section_of_the_config_has_its_keys():
    for section, value in CONFIG.items():
        if section in ("sets", "variants", "all_sets"):
            continue
        keys = value if isinstance(value, dict) else {section: value}
        found = {key.partition(".")[0] for key in table(section)}
        assert found == set(keys), section


def test_defaults_are_those_of_the_config():
    assert table("flow")["bound"][0] == "`20.0`"
    assert table("crops")["frame"][0] == "`[340, 256]`"
    assert table("network")["dropout.fc1"][0] == "`0.5`"
    assert table("idt")["scores"][0] == "`none`"
    assert table("asyn")["joint"][0] == "`true`"


def test_values_are_in_words():
    assert table("seed")["seed"][-1] == "whole number, from 0"
    assert table("flow")["scale_step"][-1] == "number, above 0, below 1"
    assert table("flow")["backend"][-1] == "`auto`, `opencv`, `cpu`, `cuda`"
    assert table("crops")["motion"][-1] == "list of whole number, from 8"


def test_each_key_of_a_set_stands_there():
    assert set(table("sets.<name>")) == set(SCHEMA["$defs"]["set"]["properties"])
