"""The config of the repository, and copies of it that are changed in one place."""

import copy
from pathlib import Path

import yaml

CONFIG = yaml.safe_load((Path(__file__).parents[1] / "config.yaml").read_text())


def changed(path: str, value=None, remove: bool = False) -> dict:
    """A copy of the config with another value at a dotted path, or without the key."""
    config = copy.deepcopy(CONFIG)
    *sections, key = path.split(".")
    section = config
    for name in sections:
        section = section[name]
    if remove:
        del section[key]
    else:
        section[key] = value
    return config
