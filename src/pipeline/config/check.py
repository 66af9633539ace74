"""Check a config: its keys and values against the schema, then its settings against one another."""

import json
import math
import re
from collections.abc import Iterator
from contextlib import contextmanager

import jsonschema
import yaml

from pipeline.config import backbones
from pipeline.config.runs import COMPLETE, Run, for_run, for_stream
from pipeline.config.settings import for_classes, for_set
from pipeline.config.shipped import SCHEMA
from pipeline.config.spelling import LOADER
from pipeline.errors import PipelineError, nearest, require
from pipeline.streams import DIRECTIONS, STREAMS

# A number with an exponent.
EXPONENT = re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)[eE][-+]?[0-9]{1,4}")
# Sections that hold a schedule of training, with a batch that processes share.
SCHEDULES = ("teacher", "co2fi", "asyn")
# Values within one another, and all of them: a YAML file of a few lines can hold any number.
DEEPEST, MOST = 20, 200_000
# Sections that need not have all keys that the schema knows.
PARTIAL = ("sets", "all_sets", "by_kind")
# Characters of a wrong value that are shown.
MOST_SHOWN = 200
# Sources that are fused with the weights of `fusion.weights`.
FUSED = (STREAMS, DIRECTIONS)
# Results that only a run with asynchronous fusion has.
NEED_FUSION = {"asyn", "idt", "asyn_idt"}


def check(config: dict, source: str = "config.yaml") -> None:
    """Check a config; `source` is the name of its file for error messages.

    Numbers that YAML left as text, such as 1e-2, become numbers, in place. Settings are compared
    with one another where a run uses them, by `check_run`.

    Raises PipelineError. It names every unknown, missing or wrong key, one per line, with the
    nearest known key; if there is none, the first variant or row of tables that cannot be.
    """
    _check_tree(config, source)
    _check_schema(config, source)
    for variant in config["variants"]:
        with _said_of(source):
            # Raises an error where its streams are those of a variant that there is not.
            streams = Run("", variant).streams(config)
            streams.streams(config)
        if "by_kind" in config["variants"][variant].get("settings", {}):
            raise PipelineError(
                f"{source}: variants.{variant}.settings.by_kind: a variant has networks of one "
                "kind; write what it says of them into the variant's settings themselves"
            )
    for name in config["sets"]:
        for row in for_set(config, name)["tables"]["rows"]:
            _check_table_row(config, row, source)


def check_run(
    config: dict, name: str, run: Run | None, classes: int, source: str = "config.yaml"
) -> dict:
    """Return the settings of a run on the set `name` of so many `classes`; None is the set's own.

    Raises PipelineError for the first contradiction between the settings.
    """
    own = for_set(config, name)
    settings = own if run is None else for_run(config, name, run)
    variant = COMPLETE if run is None else run.variant
    where = f"set '{name}'" + ("" if variant == COMPLETE else f", variant '{variant}'")
    _check_loss_weights(settings, where, source)
    _check_asyn_start(settings, where, source)
    _check_batches(settings, where, source)
    for stream in settings.get("by_stream", {}):
        _check_batches(for_stream(settings, stream), f"{where}, {stream}", source)
    if run is not None:
        _check_segments(settings, where, source)
        _check_snippets(settings, run.fuses(config), where, source)
    backbones.check(settings, where, source)
    _check_widths(settings, where, source)
    _check_fusion_weights(settings, where, source)
    _check_fusion_rule(settings, where, source)
    _check_order(settings["granularities"], where, source)
    settings, own = for_classes(settings, classes), for_classes(own, classes)
    _check_granularities(settings, max(own["granularities"]), where, source)
    return settings


@contextmanager
def _said_of(source: str) -> Iterator[None]:
    """Have a PipelineError name the file that it is about."""
    try:
        yield
    except PipelineError as error:
        raise PipelineError(f"{source}: {error}") from error


def _check_tree(config: dict, source: str) -> None:
    """Refuse values that hold themselves, as aliases of YAML can, or are too deep or too many."""
    waiting, count = [(config, "", 0)], 0
    while waiting:
        value, where, depth = waiting.pop()
        count += 1
        if depth > DEEPEST or count > MOST:
            raise PipelineError(
                f"{source}: '{_cut(where)}' lies more than {DEEPEST} deep, holds itself, or is one "
                f"of more than {MOST:,} values; write the values out, without aliases (*)"
            )
        items = value.items() if isinstance(value, dict) else ()
        items = enumerate(value) if isinstance(value, list) else items
        prefix = f"{where}." if where else ""
        waiting += [(inner, f"{prefix}{key}", depth + 1) for key, inner in items]


def _check_schema(config: dict, source: str) -> None:
    """Refuse unknown keys and wrong values; in a config without these, also missing keys."""
    schema = yaml.load(SCHEMA.read_text(), Loader=LOADER)
    convert_numbers(config, schema, schema)
    errors = jsonschema.Draft202012Validator(schema).iter_errors(config)
    problems = [
        f"{source}: {message}"
        for error in sorted(errors, key=lambda error: str(list(error.path)))
        for message in _messages(error)
    ]
    problems += [
        f"{source}: '{where}' is {value}, which is not finite; write a number"
        for where, value in _not_finite(config)
    ]
    if not problems:
        problems = [
            f"{source}: '{key}' is missing; config.yaml in the repository has its default"
            for key in _missing_keys(schema["properties"], schema, config)
        ]
    # One mistake can break several branches of the schema.
    require(list(dict.fromkeys(problems)))


def _check_loss_weights(settings: dict, where: str, source: str) -> None:
    """Refuse a loss whose weights alpha do not match the granularities one to one (Eq. 1)."""
    weights, granularities = settings["loss"]["alpha"], settings["granularities"]
    if len(weights) != len(granularities):
        raise PipelineError(
            f"{source}: loss.alpha of {where} has {len(weights)} weights for "
            f"{len(granularities)} granularities; give one each"
        )


def _check_asyn_start(settings: dict, where: str, source: str) -> None:
    """Refuse to train the fusion alone on stream networks that were never trained on actions."""
    asyn = settings["asyn"]
    if asyn["start"] == "weights" and not asyn["joint"]:
        raise PipelineError(
            f"{source}: asyn of {where} starts from network.weights and trains the fusion alone, "
            "on features that know no action; set asyn.start to co2fi, or asyn.joint to true"
        )


def _check_batches(settings: dict, where: str, source: str) -> None:
    """Refuse a batch that does not split into equal parts by process and accumulation step."""
    processes, accumulate = settings["compute"]["processes"], settings["compute"]["accumulate"]
    for schedule in SCHEDULES:
        batch = settings[schedule]["batch"]
        if batch % (processes * accumulate):
            raise PipelineError(
                f"{source}: {schedule}.batch of {where} is {batch}, which {processes} processes "
                f"cannot share equally in {accumulate} parts each; change it, compute.processes or "
                "compute.accumulate"
            )


def _check_segments(settings: dict, where: str, source: str) -> None:
    """Refuse segments for CO2FI, whose loss is of one instant of a clip."""
    kind = settings["network"]["kind"]
    for stream in STREAMS:
        segments = for_stream(settings, stream)["co2fi"]["segments"]
        if segments > 1 and kind == "co2fi":
            raise PipelineError(
                f"{source}: co2fi.segments of {where} is {segments}, but network.kind co2fi learns "
                "from one instant at a time; set network.kind to baseline, or co2fi.segments to 1"
            )


def _check_snippets(settings: dict, fuses: bool, where: str, source: str) -> None:
    """Refuse snippets where directions are scored, which need periods of instants."""
    snippets = settings["scores"]["snippets"]
    if snippets and fuses:
        raise PipelineError(
            f"{source}: scores.snippets of {where} is {snippets}, but its asynchronous fusion is "
            "scored at the instants of periods; set it to 0, and only variants without 'streams' "
            "to more"
        )


def _check_widths(settings: dict, where: str, source: str) -> None:
    """Refuse ImageNet weights by name for a VGG-16 of other layers than theirs."""
    network = settings["network"]
    if network["backbone"] != "vgg16" or network["weights"] != "imagenet":
        return
    fitting = {"width": 1.0} | ({} if network["kind"] == "co2fi" else {"fc": 4096})
    for key, value in fitting.items():
        if network[key] != value:
            raise PipelineError(
                f"{source}: network.{key} of {where} is {network[key]}, but network.weights is "
                f"imagenet, which fits {value} alone; set it to that, or network.weights to 'none'"
            )


def _check_fusion_weights(settings: dict, where: str, source: str) -> None:
    """Refuse a sum of sources that all have the weight 0."""
    weights = settings["fusion"]["weights"]
    for sources in FUSED:
        if not any(weights[name] for name in sources):
            raise PipelineError(
                f"{source}: fusion.weights of {where} are 0 for {' and '.join(sources)}, so their "
                "sum says nothing; give one of them a weight"
            )


def _check_fusion_rule(settings: dict, where: str, source: str) -> None:
    """Refuse the paper's sum of predictions where the scores are logits."""
    if settings["fusion"]["rule"] == "paper" and settings["scores"]["space"] != "softmax":
        raise PipelineError(
            f"{source}: fusion.rule of {where} is paper, which adds probabilities, but "
            f"scores.space is {settings['scores']['space']}; set it to softmax"
        )


def _check_order(sizes: list[int], where: str, source: str) -> None:
    """Refuse granularities that grow; equal neighbours may be."""
    ordered = sorted(sizes, reverse=True)
    if sizes != ordered:
        raise PipelineError(
            f"{source}: granularities of {where} are {sizes}, but the network goes from coarse to "
            f"fine; write {ordered}, and loss.alpha in the same order"
        )


def _check_granularities(settings: dict, deepest: int, where: str, source: str) -> None:
    """Refuse granularities of more classes than `deepest`, the largest that the set has groups of.

    All variants of a set share the groups of classes, which are formed once per split.
    """
    largest = max(settings["granularities"])
    if largest > deepest:
        raise PipelineError(
            f"{source}: granularities of {where} go to {largest} classes, but groups are formed "
            f"once per split, of {deepest}; raise the set's own granularities"
        )


def _check_table_row(config: dict, row: dict, source: str) -> None:
    """Refuse a row of the tables with an unknown variant, or one without the results it wants."""
    with _said_of(source):
        fuses = Run("", row["variant"]).fuses(config)
    wanted = NEED_FUSION & set(row["sources"])
    if wanted and not fuses:
        raise PipelineError(
            f"{source}: row '{row['name']}' of the tables wants {', '.join(sorted(wanted))} of "
            f"variant '{row['variant']}', which has no asynchronous fusion; name one that has "
            "'streams'"
        )


def _messages(error: jsonschema.ValidationError) -> list[str]:
    """Return what a validation error says, one message per wrong key."""
    where = ".".join(str(key) for key in error.absolute_path)
    if (
        error.validator == "additionalProperties"
        and error.schema.get("additionalProperties") is False
    ):
        known = error.schema.get("properties", {})
        return [
            _unknown_key_message(f"{where}.{key}" if where else key, key, known)
            for key in error.instance
            if key not in known
        ]
    if error.validator == "required":
        absent = [key for key in error.validator_value if key not in error.instance]
        return [f"'{where}' lacks '{key}'" for key in absent]
    meaning = error.schema.get("description", "")
    if "propertyNames" in error.absolute_schema_path:
        return [
            f"'{_cut(str(error.instance))}' in '{where}' cannot be a name ({meaning}); rename it"
        ]
    # jsonschema repeats the whole value at the start of its message, however long it is.
    wrong = _cut(error.message.removeprefix(repr(error.instance)).strip())
    return [
        f"'{where}' is {_cut(_text(error.instance))}, which {wrong}"
        + (f" ({meaning})" if meaning else "")
    ]


def _text(value) -> str:
    """A value of a config as the config spells it, or as Python does where a key is a date."""
    try:
        return json.dumps(value, default=str)
    except TypeError:
        return str(value)


def _cut(text: str) -> str:
    return text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}.."


def convert_numbers(value, part: dict, schema: dict):
    """Return a value in which text that a number is wanted for is one, if it has an exponent.

    YAML 1.1 reads 1e-2 and 1.5e3 as text, and only 1.0e-2 and 1.5e+3 as numbers. Where an integer
    is wanted, a whole number becomes one. Mappings and lists are changed in place. `part` is what
    `schema` says of the value.
    """
    if "$ref" in part:
        part = schema["$defs"][part["$ref"].rsplit("/", 1)[-1]]
    wanted = part.get("type")
    if isinstance(value, dict):
        for key in value:
            of_key = part.get("properties", {}).get(key, part.get("additionalProperties"))
            if isinstance(of_key, dict):
                value[key] = convert_numbers(value[key], of_key, schema)
    elif isinstance(value, list):
        firsts = part.get("prefixItems", [])
        for index, item in enumerate(value):
            of_item = firsts[index] if index < len(firsts) else part.get("items")
            if isinstance(of_item, dict):
                value[index] = convert_numbers(item, of_item, schema)
    elif wanted in ("number", "integer"):
        if isinstance(value, str) and EXPONENT.fullmatch(value):
            value = float(value)
        if wanted == "integer" and isinstance(value, float) and value.is_integer():
            value = int(value)
    return value


def _not_finite(value, where: str = "") -> Iterator[tuple[str, float]]:
    """Yield the dotted paths of numbers that are no numbers or infinite, and these."""
    if isinstance(value, float) and not math.isfinite(value):
        yield where, value
    items = value.items() if isinstance(value, dict) else ()
    items = enumerate(value) if isinstance(value, list) else items
    for key, item in items:
        yield from _not_finite(item, f"{where}.{key}" if where else str(key))


def _unknown_key_message(path: str, key: str, known: dict) -> str:
    """Return the message for an unknown key, with the nearest of the known keys, or all of them."""
    path, key = _cut(path), _cut(str(key))
    hint = nearest(key, known) or f"; known keys: {', '.join(sorted(known))}"
    return f"unknown key '{path}'{hint}"


def _missing_keys(properties: dict, schema: dict, value: dict, prefix: str = "") -> Iterator[str]:
    """Yield the dotted paths of the schema's properties that `value` lacks.

    The entries of `sets` are left out: the schema itself says which of their keys are required.
    Those of `all_sets` and `by_kind` override others, and none is.
    """
    for key, definition in properties.items():
        if "$ref" in definition:
            definition = schema["$defs"][definition["$ref"].rsplit("/", 1)[-1]]
        if key not in value:
            yield prefix + key
        elif key not in PARTIAL and "properties" in definition and isinstance(value[key], dict):
            yield from _missing_keys(
                definition["properties"], schema, value[key], f"{prefix}{key}."
            )
