"""config.yaml: checked against the schema, and cut into what each rule reads.

The Snakefile imports this, so it stays light: the standard library, PyYAML and jsonschema (Snakemake needs both).
"""

import copy
import json
import re
from dataclasses import dataclass, replace
from pathlib import Path

import jsonschema
import yaml

from pipeline.errors import PipelineError, nearest, require

COMPLETE = "complete"  # the method whole, which is what a run without a variant is
SCHEMA = Path(__file__).resolve().parents[2] / "workflow" / "schemas" / "config.schema.yaml"


def check(config: dict, source: str = "config.yaml") -> None:
    """Refuse a config with unknown, missing or wrong keys, naming each and the nearest right one.

    Raises PipelineError with one line a problem.
    """
    schema = yaml.safe_load(SCHEMA.read_text())
    problems = []
    for error in sorted(jsonschema.Draft202012Validator(schema).iter_errors(config), key=lambda e: str(list(e.path))):
        problems.extend(f"{source}: {sentence}" for sentence in _sentences(error))
    problems += [f"{source}: '{key}' is missing; config.yaml in the repository has its default"
                 for key in _missing(schema["properties"], schema, config) if not problems]
    require(list(dict.fromkeys(problems)))
    for name in config["sets"]:
        deepest = max(for_set(config, name)["granularities"])
        for variant in (COMPLETE, *config["variants"]):
            merged = for_run(config, name, Run("", variant))
            where = f"set '{name}'" + ("" if variant == COMPLETE else f", variant '{variant}'")
            if len(merged["loss"]["alpha"]) != len(merged["granularities"]):
                raise PipelineError(f"{source}: loss.alpha of {where} has {len(merged['loss']['alpha'])} weights for "
                                    f"{len(merged['granularities'])} granularities; give one each")
            if merged["asyn"]["start"] == "weights" and not merged["asyn"]["joint"]:
                raise PipelineError(f"{source}: asyn of {where} starts from network.weights and trains the fusion alone, on "
                                    "features that know no action; set asyn.start to co2fi, or asyn.joint to true")
            compute = merged["compute"]
            for schedule in ("teacher", "co2fi", "asyn"):
                if (batch := merged[schedule]["batch"]) % (compute["processes"] * compute["accumulate"]):
                    raise PipelineError(f"{source}: {schedule}.batch of {where} is {batch}, which {compute['processes']} "
                                        f"processes cannot share alike in {compute['accumulate']} parts each; change it, "
                                        "compute.processes or compute.accumulate")
            if max(merged["granularities"]) > deepest:
                raise PipelineError(f"{source}: granularities of {where} go to {max(merged['granularities'])} classes, but "
                                    f"groups are formed once a split, of {deepest}; raise the set's own granularities")
        for row in for_set(config, name)["tables"]["rows"]:
            fused = {"asyn", "idt", "asyn_idt"} & set(row["sources"])
            if not Run("", row["variant"]).fuses(config) and fused:
                raise PipelineError(f"{source}: row '{row['name']}' of the tables wants {', '.join(sorted(fused))} of "
                                    f"variant '{row['variant']}', which has no asynchronous fusion; name one that has "
                                    "'streams'")


def for_set(config: dict, name: str) -> dict:
    """Settings of one set: the top-level sections with the set's own `settings` laid over them, key by key."""
    sets = config["sets"]
    if name not in sets:
        hint = nearest(name, sets)
        raise PipelineError(f"config.yaml: there is no set '{name}'; sets are {', '.join(sets)}{hint}")
    merged = {key: copy.deepcopy(value) for key, value in config.items() if key not in ("sets", "variants")}
    return _overlay(merged, sets[name].get("settings", {}))


@dataclass(frozen=True)
class Run:
    """One training of a method on a split: 'split1', 'split1/baseline', 'split1/seed2', 'split1/baseline/seed2'."""

    split: str
    variant: str = COMPLETE
    seed: int | None = None  # None: the set's own

    @classmethod
    def parse(cls, text: str) -> "Run":
        split, *rest = text.split("/")
        seed = int(rest.pop().removeprefix("seed")) if rest and re.fullmatch("seed[0-9]+", rest[-1]) else None
        return cls(split, *rest, seed=seed)

    def __str__(self) -> str:
        variant = [] if self.variant == COMPLETE else [self.variant]
        return "/".join([self.split, *variant, *([] if self.seed is None else [f"seed{self.seed}"])])

    def streams(self, config: dict) -> "Run":
        """The run whose stream networks this one fuses: its own, or that of the variant that it names."""
        base = _variant(config, self.variant).get("streams")
        return self if base is None else replace(self, variant=base)

    def fuses(self, config: dict) -> bool:
        """Whether there is asynchronous fusion in it; else it is two streams."""
        return self.variant == COMPLETE or "streams" in _variant(config, self.variant)


def for_run(config: dict, name: str, run: Run) -> dict:
    """Settings of a run: the set's, those of the variant whose streams it takes, its variant's, and its seed."""
    merged = for_set(config, name)
    for variant in dict.fromkeys([run.streams(config).variant, run.variant]):
        _overlay(merged, copy.deepcopy(_variant(config, variant).get("settings", {})))
    return merged | ({} if run.seed is None else {"seed": run.seed})


def _variant(config: dict, name: str) -> dict:
    variants = {COMPLETE: {}} | config["variants"]
    if name not in variants:
        raise PipelineError(f"config.yaml: there is no variant '{name}'; variants are {', '.join(variants)}"
                            f"{nearest(name, variants)}")
    return variants[name]


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


def _overlay(base: dict, over: dict) -> dict:
    for key, value in over.items():
        if isinstance(value, dict) and isinstance(base.get(key), dict):
            _overlay(base[key], value)
        else:
            base[key] = value
    return base


def _sentences(error: jsonschema.ValidationError) -> list[str]:
    """A validation error in words."""
    where = ".".join(str(part) for part in error.absolute_path)
    if error.validator == "additionalProperties" and error.schema.get("additionalProperties") is False:
        known = error.schema.get("properties", {})
        unknown = [key for key in error.instance if key not in known]
        return [f"unknown key '{where}.{key}'".replace("'.", "'") + (nearest(key, known) or f"; known keys: "
                f"{', '.join(sorted(known))}") for key in unknown]
    if error.validator == "required":
        absent = [key for key in error.validator_value if key not in error.instance]
        return [f"'{where}' lacks '{key}'" for key in absent]
    meaning = error.schema.get("description", "")
    wrong = error.message.removeprefix(repr(error.instance)).strip()
    return [f"'{where}' is {json.dumps(error.instance, default=str)}, which {wrong}" + (f" ({meaning})" if meaning else "")]


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
