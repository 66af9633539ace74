"""Check a config: its keys and values against the schema, then its settings against one another."""

import json
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import yaml

from pipeline.config.runs import COMPLETE, Run, for_run
from pipeline.config.settings import for_classes, for_set
from pipeline.errors import PipelineError, nearest, require

SCHEMA = Path(__file__).resolve().parents[3] / "workflow" / "schemas" / "config.schema.yaml"
# Sections that hold a schedule of training, with a batch that processes share.
SCHEDULES = ("teacher", "co2fi", "asyn")
# Results that only a run with asynchronous fusion has.
NEED_FUSION = {"asyn", "idt", "asyn_idt"}


def check(config: dict, source: str = "config.yaml") -> None:
    """Check a config; `source` is the name of its file for error messages.

    Settings are compared with one another where a run uses them, by `check_run`.

    Raises PipelineError. It names every unknown, missing or wrong key, one per line, with the
    nearest known key; if there is none, the first variant or row of tables that cannot be.
    """
    _check_schema(config, source)
    for variant in config["variants"]:
        # Raises an error where its streams are those of a variant that there is not.
        streams = Run("", variant).streams(config)
        streams.streams(config)
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
    _check_order(settings["granularities"], where, source)
    settings, own = for_classes(settings, classes), for_classes(own, classes)
    _check_granularities(settings, max(own["granularities"]), where, source)
    return settings


def _check_schema(config: dict, source: str) -> None:
    """Refuse unknown keys and wrong values; in a config without these, also missing keys."""
    schema = yaml.safe_load(SCHEMA.read_text())
    errors = jsonschema.Draft202012Validator(schema).iter_errors(config)
    problems = [
        f"{source}: {message}"
        for error in sorted(errors, key=lambda error: str(list(error.path)))
        for message in _messages(error)
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
    # jsonschema repeats the whole value at the start of its message, however long it is.
    wrong = error.message.removeprefix(repr(error.instance)).strip()
    return [
        f"'{where}' is {json.dumps(error.instance, default=str)}, which {wrong}"
        + (f" ({meaning})" if meaning else "")
    ]


def _unknown_key_message(path: str, key: str, known: dict) -> str:
    """Return the message for an unknown key, with the nearest of the known keys, or all of them."""
    hint = nearest(key, known) or f"; known keys: {', '.join(sorted(known))}"
    return f"unknown key '{path}'{hint}"


def _missing_keys(properties: dict, schema: dict, value: dict, prefix: str = "") -> Iterator[str]:
    """Yield the dotted paths of the schema's properties that `value` lacks.

    The entries of `sets` are left out: the schema itself says which of their keys are required.
    """
    for key, definition in properties.items():
        if "$ref" in definition:
            definition = schema["$defs"][definition["$ref"].rsplit("/", 1)[-1]]
        if key not in value:
            yield prefix + key
        elif key != "sets" and "properties" in definition and isinstance(value[key], dict):
            yield from _missing_keys(
                definition["properties"], schema, value[key], f"{prefix}{key}."
            )
