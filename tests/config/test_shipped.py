"""Files beside the package in a checkout; tests/test_wheel.py has those of a wheel."""

import tomllib
from importlib import metadata
from pathlib import Path

import pytest

from pipeline.config import shipped

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_a_checkout_has_its_own_files():
    assert shipped.ROOT == ROOT
    assert shipped.SCHEMA.is_file() and shipped.DEFAULTS == ROOT / "config.yaml"
    assert {path.name for path in shipped.PRESETS.iterdir()} == {"cpu.yaml", "gpu.yaml"}


def test_the_name_that_it_is_installed_by_is_that_of_the_project():
    assert shipped.DISTRIBUTION == PROJECT["name"] != "pipeline"


@pytest.mark.parametrize("installed, version", [(True, "1.2.3"), (False, "unknown")])
def test_version_is_that_of_the_checkout_else_of_what_is_installed(
    installed, version, tmp_path, monkeypatch
):
    assert shipped.version() == PROJECT["version"]

    def of(name: str) -> str:
        if not installed:
            raise metadata.PackageNotFoundError(name)
        return {shipped.DISTRIBUTION: "1.2.3"}[name]

    monkeypatch.setattr(shipped, "ROOT", tmp_path)
    monkeypatch.setattr(shipped.metadata, "version", of)
    assert shipped.version() == version
