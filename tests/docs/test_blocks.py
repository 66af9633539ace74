"""Each fenced block of README.md and docs/ has something done with it; configs are configs."""

import copy
import re

import pytest
import yaml
from config_cases import CONFIG
from doc_blocks import (
    COMMANDS,
    MATH,
    PAGES,
    PLAN,
    PLANNED,
    PYTHON,
    ROOT,
    RUN,
    TEXT,
    TREATMENT,
    YAML,
    blocks,
    commands,
)

from pipeline.config import check
from pipeline.config.settings import overlay

PAGES_WITH_YAML = [page for page in PAGES if blocks(page, YAML)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_each_block_is_run_planned_or_shown(page):
    kinds = {block.language for block in blocks(page)} - {TEXT, MATH, YAML}
    assert kinds == set(TREATMENT.get(page.name, {})), (
        f"register {page.name} in tests/doc_blocks.py"
    )
    assert kinds <= {COMMANDS, PYTHON}


def test_tests_that_run_a_page_read_it():
    for page, kinds in TREATMENT.items():
        for treatment in set(kinds.values()) - {RUN, PLAN}:
            assert page in (ROOT / "tests" / treatment).read_text(), treatment


def test_each_planned_beginning_is_that_of_a_command():
    pages = [page for page in PAGES if TREATMENT.get(page.name, {}).get(COMMANDS) == RUN]
    found = [command for page in pages for block in blocks(page) for command in commands(block)]
    for beginning in PLANNED:
        assert any(command.startswith(beginning) for command in found), beginning


@pytest.mark.parametrize("page", PAGES_WITH_YAML, ids=lambda page: page.name)
def test_yaml_of_the_pages_is_config(page):
    """Laid over the config of the project, as --configfile lays it."""
    for block in blocks(page, YAML):
        config = copy.deepcopy(CONFIG)
        entry = {"format": "ucf101", "videos": "videos", "lists": "lists"}
        config["sets"]["mine"] = entry
        # Sets of the pages may be incomplete, but none of their keys may be unknown.
        check.check(overlay(config, yaml.safe_load(block.text)))


def test_no_page_has_a_command_in_a_block_of_another_language():
    """Blocks of commands have no language, so that none hides from these tests."""
    for page in PAGES:
        for block in blocks(page, TEXT):
            assert not re.search(r"^(snakemake|pipeline|make) ", block.text, re.M), block
