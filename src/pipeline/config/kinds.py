"""Kinds of a stream's network, network.kind, and what of the settings each of them reads.

A network is not trained again for what it does not read. A baseline knows no groups of classes, so
it neither waits for the teacher that ranks them nor depends on how that learned. Standard library
only: the Snakefile imports this module.
"""

CO2FI, DIRECT, BASELINE = KINDS = ("co2fi", "direct", "baseline")
# By dotted key. Networks of kind direct have a teacher beside their backbone.
_OF_GROUPS = (
    *("granularities", "groups", "loss.alpha", "loss.beta"),
    *(f"network.{key}" for key in ("side_connections", "side_maps", "fc1", "fc2", "hidden")),
    *(f"network.dropout.{layer}" for layer in ("fc1", "fc2", "hidden")),
    "network.shared",
)
_OF_OTHERS = ("network.fc", "network.dropout.fc6", "network.dropout.fc7")
_UNREAD = {
    CO2FI: ("teacher", *_OF_OTHERS),
    DIRECT: _OF_GROUPS,
    BASELINE: ("teacher", *_OF_GROUPS),
}


def has_groups(settings: dict) -> bool:
    """Whether the networks of a run learn groups of classes, which its split's teachers form."""
    return settings["network"]["kind"] == CO2FI


def has_teacher(settings: dict) -> bool:
    """Whether a run rests on the teachers of its split: on their groups, or on their weights."""
    return settings["network"]["kind"] != BASELINE


def read_by_networks(settings: dict) -> dict:
    """Return the settings of a run, or part of them, without what its networks never read."""
    left = settings
    for key in _UNREAD[settings["network"]["kind"]]:
        left = _without(left, key.split("."))
    return left


def _without(settings: object, path: list[str]) -> object:
    """Return settings without what lies at a path of keys, if anything does."""
    first, *rest = path
    # One rate of dropout may stand for those of all layers.
    if not isinstance(settings, dict) or first not in settings:
        return settings
    if not rest:
        return {key: value for key, value in settings.items() if key != first}
    return settings | {first: _without(settings[first], rest)}
