"""Files that lie beside the package in a checkout, and within it where a wheel is installed.

Standard library only: the Snakefile imports this module.
"""

import tomllib
from importlib import metadata
from pathlib import Path

# The name under which the package is installed; it is imported as `pipeline`.
DISTRIBUTION = "co2fi-pipeline"
PACKAGE = Path(__file__).resolve().parents[1]
# What setup.py copies into a wheel.
COPIES = PACKAGE / "shipped"
ROOT = COPIES if COPIES.is_dir() else PACKAGE.parents[1]
SCHEMA = ROOT / "workflow" / "schemas" / "config.schema.yaml"
# The config that every other is laid over.
DEFAULTS = ROOT / "config.yaml"
PRESETS = ROOT / "workflow" / "presets"


def version() -> str:
    """Return the version of this program, of a checkout also where it is not installed."""
    project = ROOT / "pyproject.toml"
    if project.is_file():
        return tomllib.loads(project.read_text(encoding="utf-8"))["project"]["version"]
    try:
        return metadata.version(DISTRIBUTION)
    except metadata.PackageNotFoundError:
        return "unknown"
