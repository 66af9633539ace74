"""The settings of a data set: merged from the config, narrowed to a rule's keys, dumped as text.

Standard library only: the Snakefile imports this module.
"""

import copy
import json

from pipeline.errors import PipelineError, nearest

# A float holds every integer up to this one exactly; above it, digits would be made up.
MAX_EXACT_INTEGER = 2**53
# Keys of a config that are no section of settings.
NO_SECTIONS = ("sets", "variants", "all_sets")


def for_set(config: dict, name: str, kind: str | None = None) -> dict:
    """Return the settings of one data set, for networks of a `kind`, by default its own.

    These are the top-level sections of `config`, overridden key by key by the `settings` of the
    set, and these by the section all_sets. Each of the three may have a section by_kind, of which
    that of the kind is laid over it. The result shares no dict or list with `config`.

    Raises PipelineError when `config` has no set `name`.
    """
    sets = config["sets"]
    if name not in sets:
        hint = nearest(name, sets)
        raise PipelineError(f"there is no set '{name}'; sets are {', '.join(sets)}{hint}")
    sections = {key: value for key, value in config.items() if key not in NO_SECTIONS}
    layers = [sections, sets[name].get("settings", {}), config.get("all_sets", {})]
    kind = kind or kind_of(layers)
    merged: dict = {}
    for layer in copy.deepcopy(layers):
        of_kind = layer.pop("by_kind", {}).get(kind, {})
        overlay(overlay(merged, layer), of_kind)
    return merged


def kind_of(layers: list[dict]) -> str | None:
    """Return the network.kind of settings that are laid over one another; None where none says."""
    kinds = [layer["network"]["kind"] for layer in layers if "kind" in layer.get("network", {})]
    return kinds[-1] if kinds else None


def for_classes(settings: dict, classes: int) -> dict:
    """Return settings as a set of so many `classes` takes them.

    No group has more classes than there are, so larger granularities become their number; their
    order and count stay, and with them the weights loss.alpha.
    """
    sizes = [min(size, classes) for size in settings["granularities"]]
    return settings | {"granularities": sizes}


def choose(settings: dict, *keys: str) -> dict:
    """Return the part of `settings` that `keys` name.

    The key 'flow' takes a whole section, the key 'co2fi.alpha' one value of a section.

    Raises KeyError for a key that `settings` does not have.
    """
    chosen: dict = {}
    for key in keys:
        section, _, leaf = key.partition(".")
        if leaf:
            chosen.setdefault(section, {})[leaf] = settings[section][leaf]
        else:
            chosen[section] = settings[section]
    return chosen


def canonical(value):
    """Return a copy of a setting in which equal numbers are spelt equally: 5.0 becomes 5.

    Applies to the values of dicts and the items of lists at any depth. Floats that are not whole
    numbers, not finite, or beyond 2**53 stay as they are, and so do bools.
    """
    if isinstance(value, dict):
        return {key: canonical(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [canonical(item) for item in value]
    if isinstance(value, float) and value.is_integer() and abs(value) <= MAX_EXACT_INTEGER:
        return int(value)
    return value


def dump(settings: dict) -> str:
    """Return settings as one line of JSON: equal settings give equal text.

    Keys are sorted and numbers are canonical, so `bound: 5` and `bound: 5.0` do not differ.
    """
    return json.dumps(canonical(settings), sort_keys=True, separators=(",", ":"))


def overlay(base: dict, over: dict) -> dict:
    """Override `base` by `over`, in place, and return it.

    Where both have a dict at a key, the dicts are merged; any other value is replaced.
    """
    for key, value in over.items():
        if isinstance(value, dict) and isinstance(base.get(key), dict):
            overlay(base[key], value)
        else:
            base[key] = value
    return base
