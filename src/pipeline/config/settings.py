"""?"""

import copy
import json

from pipeline.errors import PipelineError, nearest


def for_set(config: dict, name: str) -> dict:
    """Settings of one set: the top-level sections with the set's own `settings` laid over them, key by key."""
    sets = config["sets"]
    if name not in sets:
        hint = nearest(name, sets)
        raise PipelineError(
            f"config.yaml: there is no set '{name}'; sets are {', '.join(sets)}{hint}"
        )
    merged = {
        key: copy.deepcopy(value)
        for key, value in config.items()
        if key not in ("sets", "variants")
    }
    return overlay(merged, sets[name].get("settings", {}))


def cut(settings: dict, *keys: str) -> dict:
    """The sub-dict of `keys`; 'flow' takes a section whole, 'co2fi.alpha' one value out of it."""
    result: dict = {}
    for key in keys:
        section, _, leaf = key.partition(".")
        if leaf:
            result.setdefault(section, {})[leaf] = settings[section][leaf]
        else:
            result[section] = settings[section]
    return result


def dump(settings: dict) -> str:
    """Settings as one line of JSON with sorted keys: equal settings give equal text."""
    return json.dumps(settings, sort_keys=True, separators=(",", ":"))


def overlay(base: dict, over: dict) -> dict:
    for key, value in over.items():
        if isinstance(value, dict) and isinstance(base.get(key), dict):
            overlay(base[key], value)
        else:
            base[key] = value
    return base
