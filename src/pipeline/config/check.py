"""Check a config against the schema and against itself."""

import json
from pathlib import Path

import jsonschema
import yaml

from pipeline.config.runs import COMPLETE, Run, for_run
from pipeline.config.settings import for_set
from pipeline.errors import PipelineError, nearest, require

SCHEMA = Path(__file__).resolve().parents[3] / "workflow" / "schemas" / "config.schema.yaml"


def check(config: dict, source: str = "config.yaml") -> None:
    """Refuse a config with unknown, missing or wrong keys, naming each and the nearest right one.

    Raises PipelineError with one line a problem.
    """
    schema = yaml.safe_load(SCHEMA.read_text())
    problems = []
    for error in sorted(
        jsonschema.Draft202012Validator(schema).iter_errors(config), key=lambda e: str(list(e.path))
    ):
        problems.extend(f"{source}: {sentence}" for sentence in _sentences(error))
    problems += [
        f"{source}: '{key}' is missing; config.yaml in the repository has its default"
        for key in _missing(schema["properties"], schema, config)
        if not problems
    ]
    require(list(dict.fromkeys(problems)))
    for name in config["sets"]:
        deepest = max(for_set(config, name)["granularities"])
        for variant in (COMPLETE, *config["variants"]):
            merged = for_run(config, name, Run("", variant))
            where = f"set '{name}'" + ("" if variant == COMPLETE else f", variant '{variant}'")
            if len(merged["loss"]["alpha"]) != len(merged["granularities"]):
                raise PipelineError(
                    f"{source}: loss.alpha of {where} has {len(merged['loss']['alpha'])} weights for "
                    f"{len(merged['granularities'])} granularities; give one each"
                )
            if merged["asyn"]["start"] == "weights" and not merged["asyn"]["joint"]:
                raise PipelineError(
                    f"{source}: asyn of {where} starts from network.weights and trains the fusion alone, on "
                    "features that know no action; set asyn.start to co2fi, or asyn.joint to true"
                )
            compute = merged["compute"]
            for schedule in ("teacher", "co2fi", "asyn"):
                if (batch := merged[schedule]["batch"]) % (
                    compute["processes"] * compute["accumulate"]
                ):
                    raise PipelineError(
                        f"{source}: {schedule}.batch of {where} is {batch}, which {compute['processes']} "
                        f"processes cannot share alike in {compute['accumulate']} parts each; change it, "
                        "compute.processes or compute.accumulate"
                    )
            if max(merged["granularities"]) > deepest:
                raise PipelineError(
                    f"{source}: granularities of {where} go to {max(merged['granularities'])} classes, but "
                    f"groups are formed once a split, of {deepest}; raise the set's own granularities"
                )
        for row in for_set(config, name)["tables"]["rows"]:
            fused = {"asyn", "idt", "asyn_idt"} & set(row["sources"])
            if not Run("", row["variant"]).fuses(config) and fused:
                raise PipelineError(
                    f"{source}: row '{row['name']}' of the tables wants {', '.join(sorted(fused))} of "
                    f"variant '{row['variant']}', which has no asynchronous fusion; name one that has "
                    "'streams'"
                )


def _sentences(error: jsonschema.ValidationError) -> list[str]:
    """A validation error in words."""
    where = ".".join(str(part) for part in error.absolute_path)
    if (
        error.validator == "additionalProperties"
        and error.schema.get("additionalProperties") is False
    ):
        known = error.schema.get("properties", {})
        unknown = [key for key in error.instance if key not in known]
        return [
            f"unknown key '{where}.{key}'".replace("'.", "'")
            + (nearest(key, known) or f"; known keys: {', '.join(sorted(known))}")
            for key in unknown
        ]
    if error.validator == "required":
        absent = [key for key in error.validator_value if key not in error.instance]
        return [f"'{where}' lacks '{key}'" for key in absent]
    meaning = error.schema.get("description", "")
    wrong = error.message.removeprefix(repr(error.instance)).strip()
    return [
        f"'{where}' is {json.dumps(error.instance, default=str)}, which {wrong}"
        + (f" ({meaning})" if meaning else "")
    ]


def _missing(properties: dict, schema: dict, value: dict, prefix: str = "") -> list[str]:
    """Dotted names of top-level sections and of their keys that `value` lacks (sets are optional in parts)."""
    missing = []
    for key, sub in properties.items():
        if "$ref" in sub:
            sub = schema["$defs"][sub["$ref"].rsplit("/", 1)[-1]]
        if key not in value:
            missing.append(prefix + key)
        elif key != "sets" and "properties" in sub and isinstance(value[key], dict):
            missing += _missing(sub["properties"], schema, value[key], f"{prefix}{key}.")
    return missing
