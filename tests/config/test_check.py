"""What of a config is refused, and in which words."""

import pytest
import yaml
from config_cases import CONFIG, changed

from pipeline.config import check
from pipeline.errors import PipelineError

SCHEMA = yaml.safe_load(check.SCHEMA.read_text())


def refusal(config: dict) -> list[str]:
    """The lines of the error that a config must raise."""
    with pytest.raises(PipelineError) as caught:
        check.check(config, "my.yaml")
    lines = str(caught.value).splitlines()
    assert all(line.startswith("my.yaml: ") for line in lines)
    return lines


def objects(schema, where: str = ""):
    """Yield every part of the schema that describes a mapping, with its path."""
    if isinstance(schema, dict):
        if schema.get("type") == "object":
            yield where, schema
        for key, value in schema.items():
            yield from objects(value, f"{where}/{key}")
    elif isinstance(schema, list):
        for number, value in enumerate(schema):
            yield from objects(value, f"{where}/{number}")


def described(schema: dict) -> bool:
    """Whether a property says what it means, by itself or where it points."""
    target = SCHEMA["$defs"][schema["$ref"].rsplit("/", 1)[-1]] if "$ref" in schema else schema
    return bool(target.get("description"))


def test_config_is_valid():
    check.check(CONFIG)


def test_every_mapping_of_the_schema_is_closed():
    found = dict(objects(SCHEMA))
    assert len(found) > 15
    for where, schema in found.items():
        closed = schema.get("additionalProperties")
        assert closed is False or ("properties" not in schema and isinstance(closed, dict)), where


def test_every_property_is_described():
    bare = [
        f"{where}/{key}"
        for where, schema in objects(SCHEMA)
        for key, sub in schema.get("properties", {}).items()
        if not described(sub)
    ]
    assert bare == []


# A misspelt key at every level -> the key that was meant.
UNKNOWN = {
    "flwo": "flow",
    "decode.short_sdie": "short_side",
    "flow.lamda": "lambda_",
    "flow.bond": "bound",
    "crops.tests": "test",
    "period.delat": "delta",
    "teacher.iteration": "iterations",
    "groups.strid": "stride",
    "groups.mising": "missing",
    "network.dropout.fc_1": "fc1",
    "network.side_conections": "side_connections",
    "fusion_network.share": "shared",
    "network.fc_1": "fc1",
    "fusion_network.hiden": "hidden",
    "loss.alfa": "alpha",
    "co2fi.learn_step": "lr_step",
    "asyn.batches": "batch",
    "scores.spaces": "space",
    "scores.crop": "crops",
    "fusion.weigths": "weights",
    "fusion.weights.motoin": "motion",
    "fusion.idt.wieght": "weight",
    "idt.enable": "enabled",
    "compute.thread": "threads",
    "sets.demo.shard": "shards",
    "store.flows": "flow",
    "variants.syn.stream": "streams",
    "variants.baseline.settings.networks": "network",
    "tables.seed": "seeds",
    "sets.demo.settings.stak": "stack",
    "sets.demo.settings.co2fi.momentun": "momentum",
}


@pytest.mark.parametrize("path, meant", UNKNOWN.items())
def test_unknown_keys_are_refused_with_the_nearest(path, meant):
    (line,) = refusal(changed(path, 1))
    assert f"'{path}'" in line and f"'{meant}'" in line and "did you mean" in line


def test_unknown_keys_cover_every_section():
    top = {path.split(".")[0] for path in UNKNOWN}
    sections = {key for key, value in CONFIG.items() if isinstance(value, dict)}
    assert sections <= top


def test_unlike_anything_lists_what_there_is():
    (line,) = refusal(changed("decode.zzz", 1))
    assert "'decode.zzz'" in line and "short_side" in line


@pytest.mark.parametrize(
    "path, value, parts",
    [
        ("seed", "one", ["integer", '"one"']),
        ("seed", True, ["integer", "true"]),
        ("seed", -1, ["-1", "0"]),
        ("flow", None, ["object"]),
        ("flow.bound", "20", ["number"]),
        ("flow.median", 4, ["1, 3, 5"]),
        ("crops.flip", "yes", ["boolean"]),
        ("crops.frame", [340], ["[340]"]),
        ("granularities", "5 3 1", ["array"]),
        ("granularities", [5, "three"], ["integer", "three"]),
        ("period.instants", 4, ["4", "odd"]),
        ("network.weights", 3, ["string"]),
        ("network.dropout", 0.5, ["object", "each layer"]),
        ("network.side_connections", "diagonal", ["all", "triangular"]),
        ("groups.missing", "leave", ["replace", "add"]),
        ("scores.space", "probability", ["softmax", "logits"]),
        ("scores.crops", 10, ["centre", "ten"]),
        ("fusion.idt.weight", 1.5, ["1.5", "maximum"]),
        ("idt.components", 0, ["0", "minimum"]),
        ("sets.demo.clips", 13, ["13", "multiple of"]),
        ("sets.demo.format", "avi", ["ucf101", "hmdb51", "demo"]),
        ("sets.demo.format", "what this is", ["what this is", "hmdb51"]),
        ("sets.ucf101.counts", {"split1": [9537]}, ["9537"]),
        ("sets.demo.settings.stack", 2.5, ["integer"]),
    ],
)
def test_wrong_values_are_named(path, value, parts):
    lines = refusal(changed(path, value))
    assert len(lines) == 1 and path in lines[0] and all(part in lines[0] for part in parts)


def test_every_problem_is_named_at_once():
    config = changed("seed", "one")
    config["flow"]["lamda"] = 1
    config["stack"] = 0
    lines = refusal(config)
    assert len(lines) == 3 and all(
        any(name in line for line in lines) for name in ("seed", "flow.lamda", "stack")
    )


@pytest.mark.parametrize(
    "path", ["seed", "flow", "flow.tau", "fusion.weights.motion", "co2fi.momentum"]
)
def test_missing_keys_are_named(path):
    (line,) = refusal(changed(path, remove=True))
    assert f"'{path}' is missing" in line


@pytest.mark.parametrize(
    "path", ["sets.ucf101.format", "sets.ucf101.videos", "sets.demo.groups", "sets.hmdb51.shards"]
)
def test_missing_keys_of_a_set_are_named(path):
    (line,) = refusal(changed(path, remove=True))
    assert path.rsplit(".", 1)[0] in line and f"'{path.rsplit('.', 1)[1]}'" in line
    # The message does not repeat the whole entry of the set.
    assert len(line) < 200


def test_set_names_are_plain():
    assert any(
        "My Set" in line for line in refusal(changed("sets.My Set", CONFIG["sets"]["ucf101"]))
    )


@pytest.mark.parametrize(
    "path, value, words",
    [
        (
            "variants.two_granularities.settings.loss",
            {"alpha": [1.0]},
            "variant 'two_granularities' has 1 weights for 2",
        ),
        ("variants.two_granularities.settings.granularities", [9, 1], "go to 9 classes"),
        (
            "variants.baseline_syn.streams",
            "basline",
            "no variant 'basline'.*did you mean 'baseline'",
        ),
        ("variants.syn.settings.asyn", {"start": "weights", "joint": False}, "knows? no action"),
        (
            "tables.rows",
            [{"table": 1, "name": "R", "variant": "direct", "sources": ["asyn"]}],
            "row 'R'.*no asynchronous",
        ),
        (
            "tables.rows",
            [{"table": 1, "name": "R", "variant": "dirct", "sources": ["motion"]}],
            "did you mean 'direct'",
        ),
    ],
)
def test_variants_that_cannot_be_are_refused(path, value, words):
    with pytest.raises(PipelineError, match=words):
        check.check(changed(path, value))


@pytest.mark.parametrize("schedule", check.SCHEDULES)
def test_batches_that_processes_cannot_share_are_refused(schedule):
    config = changed("sets.demo.settings.compute", {"processes": 2, "accumulate": 3})
    config["sets"]["demo"]["settings"][schedule]["batch"] = 16
    others = [name for name in check.SCHEDULES if name != schedule]
    for name in others:
        config["sets"]["demo"]["settings"][name]["batch"] = 12
    (line,) = refusal(config)
    assert f"{schedule}.batch of set 'demo' is 16" in line and "2 processes" in line
