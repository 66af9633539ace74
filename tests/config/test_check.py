"""What of a config is refused, and in which words."""

import copy
from datetime import date

import pytest
import yaml
from config_cases import CONFIG, changed

from pipeline.config import check, shipped
from pipeline.config.runs import Run, for_run
from pipeline.config.settings import for_set
from pipeline.errors import PipelineError

SCHEMA = yaml.safe_load(shipped.SCHEMA.read_text())


def refusal_of(config: dict) -> list[str]:
    """The lines of the error that a config must raise."""
    with pytest.raises(PipelineError) as caught:
        check.check(config, "my.yaml")
    return str(caught.value).splitlines()


def refusal(config: dict) -> list[str]:
    """The lines of the error that a config must raise, each with the name of its file."""
    lines = refusal_of(config)
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
    "limits.pixel": "pixels",
    "sets.demo.on_bad_clips": "on_bad_clip",
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
    "all_sets.networks": "network",
    "sets.demo.settings.stak": "stack",
    "sets.demo.settings.co2fi.momentun": "momentum",
    "co2fi.segment": "segments",
    "scores.snippet": "snippets",
    "by_kind.basline": "baseline",
    "by_kind.baseline.co2fy": "co2fi",
    "by_kind.direct.co2fi.momentun": "momentum",
    "variants.tsn.settings.by_streams": "by_stream",
    "variants.tsn.settings.by_stream.motoin": "motion",
    "variants.tsn.settings.by_stream.motion.co2fy": "co2fi",
    "variants.tsn.settings.by_stream.motion.network.dropouts": "dropout",
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
        ("fusion.rule", "sum", ["standardised", "paper"]),
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
    "path", ["sets.ucf101.format", "sets.ucf101.videos", "sets.demo.groups", "sets.hmdb51.lists"]
)
def test_missing_keys_of_a_set_are_named(path):
    (line,) = refusal(changed(path, remove=True))
    assert path.rsplit(".", 1)[0] in line and f"'{path.rsplit('.', 1)[1]}'" in line
    # The message does not repeat the whole entry of the set.
    assert len(line) < 200


@pytest.mark.parametrize("name", ["My Set", "a/b", ".hidden", "-dash", "", "é", "{x}", "a\n"])
def test_names_of_sets_that_cannot_be_are_refused(name):
    config = changed("seed", 1)
    config["sets"][name] = CONFIG["sets"]["ucf101"]
    line = "\n".join(refusal_of(config))
    assert f"'{name}' in 'sets' cannot be a name" in line and "rename it" in line


@pytest.mark.parametrize("name", ["2024", "no", "my-set", "Set.1", "_x", "UCF101"])
def test_names_of_sets_may_hold_what_folders_may(name):
    config = changed("seed", 1)
    config["sets"][name] = CONFIG["sets"]["ucf101"]
    check.check(config)


@pytest.mark.parametrize("name", ["seed1", "complete", "My", "a-b", "1a", "a\n"])
def test_names_of_variants_that_cannot_be_are_refused(name):
    config = changed("seed", 1)
    config["variants"][name] = {}
    assert f"'{name}' in 'variants' cannot be a name" in "\n".join(refusal_of(config))


@pytest.mark.parametrize(
    "path, text, number",
    [
        ("co2fi.lr", "1e-2", 0.01),
        ("co2fi.lr", "1E-2", 0.01),
        ("co2fi.lr", ".5e-1", 0.05),
        ("co2fi.lr", "1.5e-3", 0.0015),
        ("co2fi.iterations", "1e5", 100000),
        ("co2fi.iterations", 1e5, 100000),
        ("sets.demo.settings.co2fi.lr", "2e-2", 0.02),
        ("variants.syn.settings", {"co2fi": {"lr": "1e-3"}}, {"co2fi": {"lr": 0.001}}),
        ("loss.alpha", ["1e-1", 0.1, "1e0"], [0.1, 0.1, 1.0]),
        ("sets.ucf101.shards", "1e2", 100),
        ("sets.ucf101.counts", {"split1": ["1e3", 5]}, {"split1": [1000, 5]}),
        ("crops.test", 224.0, 224),
    ],
)
def test_numbers_with_an_exponent_are_numbers(path, text, number):
    config = changed(path, text)
    check.check(config)
    found = config
    for key in path.split("."):
        found = found[key]
    assert found == number and type(found) is type(number)


@pytest.mark.parametrize(
    "path, value",
    [("co2fi.lr", float("nan")), ("flow.bound", float("inf")), ("co2fi.lr", "1e400")],
)
def test_numbers_must_be_finite(path, value):
    (line,) = refusal(changed(path, value))
    assert f"'{path}'" in line and "finite" in line


@pytest.mark.parametrize(
    "path, value",
    [
        ("co2fi.lr", "1e"),
        ("co2fi.lr", "0.1"),
        ("co2fi.iterations", "15e-1"),
        ("co2fi.iterations", 2.5),
        ("sets.ucf101.shards", "1e99"),
        ("seed", True),
    ],
)
def test_what_is_no_number_stays_refused(path, value):
    (line,) = refusal(changed(path, value))
    assert f"'{path}'" in line


@pytest.mark.parametrize(
    "path, value, words",
    [
        (
            "variants.baseline_syn.streams",
            "basline",
            "no variant 'basline'.*did you mean 'baseline'",
        ),
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


def contradiction(config: dict, name: str, run: Run | None = None, classes: int = 101) -> str:
    """The sentence of the error that a run must raise, though the config itself can be."""
    check.check(config)
    with pytest.raises(PipelineError) as caught:
        check.check_run(config, name, run, classes, "my.yaml")
    (line,) = str(caught.value).splitlines()
    assert line.startswith("my.yaml: ")
    return line


@pytest.mark.parametrize(
    "variant, section, value, words",
    [
        ("two_granularities", "loss", {"alpha": [1.0]}, "variant 'two_granularities' has 1 weight"),
        ("two_granularities", "granularities", [9, 1], "go to 9 classes"),
        ("two_granularities", "granularities", [1, 3], "are [1, 3]"),
        ("syn", "asyn", {"start": "weights", "joint": False}, "know no action"),
        ("baseline", "compute", {"processes": 3}, "3 processes"),
    ],
)
def test_settings_of_a_variant_are_compared_where_it_is_run(variant, section, value, words):
    config = copy.deepcopy(CONFIG)
    config["variants"][variant].setdefault("settings", {})[section] = value
    assert words in contradiction(config, "ucf101", Run("split1", variant))
    for run in (None, Run("split1"), Run("split1", "direct", 2)):
        assert check.check_run(config, "ucf101", run, 101) == (
            for_set(config, "ucf101") if run is None else for_run(config, "ucf101", run)
        )


def test_imagenet_weights_fit_one_width():
    narrow, few = changed("network.width", 0.5), changed("network.fc", 1024)
    line = contradiction(narrow, "ucf101")
    assert "network.width of set 'ucf101' is 0.5" in line and "fits 1.0 alone" in line
    assert "network.fc of set" in contradiction(few, "ucf101", Run("split1", "baseline"))
    # CO2FI has no fc, and a file may be of any width.
    check.check_run(few, "ucf101", Run("split1"), 101)
    narrow["network"]["weights"] = "mine.pt"
    check.check_run(narrow, "ucf101", None, 101)


def test_granularities_go_from_coarse_to_fine():
    line = contradiction(changed("granularities", [1, 3, 5]), "ucf101")
    assert "are [1, 3, 5]" in line and "write [5, 3, 1], and loss.alpha" in line
    for sizes in ([1, 1, 1], [5, 3, 3], [5, 5, 1]):
        settings = check.check_run(changed("granularities", sizes), "ucf101", None, 101)
        assert settings["granularities"] == sizes


@pytest.mark.parametrize(
    "classes, sizes",
    [(2, [2, 2, 1]), (3, [3, 3, 1]), (4, [4, 3, 1]), (5, [5, 3, 1]), (101, [5, 3, 1])],
)
def test_groups_have_no_more_classes_than_the_set(classes, sizes):
    settings = check.check_run(CONFIG, "ucf101", Run("split1"), classes)
    assert settings["granularities"] == sizes and settings["loss"]["alpha"] == [0.1, 0.1, 1.0]
    pair = check.check_run(CONFIG, "ucf101", Run("split1", "two_granularities"), classes)
    assert pair["granularities"] == [min(3, classes), 1] and pair["loss"]["alpha"] == [0.1, 1.0]


def test_a_variant_may_go_beyond_the_classes_as_the_set_does():
    config = changed("variants.two_granularities.settings.granularities", [9, 1])
    settings = check.check_run(config, "ucf101", Run("split1", "two_granularities"), 3)
    assert settings["granularities"] == [3, 1]


@pytest.mark.parametrize("schedule", check.SCHEDULES)
def test_batches_that_processes_cannot_share_are_refused(schedule):
    config = changed("sets.demo.settings.compute", {"processes": 2, "accumulate": 3})
    config["sets"]["demo"]["settings"][schedule]["batch"] = 16
    others = [name for name in check.SCHEDULES if name != schedule]
    for name in others:
        config["sets"]["demo"]["settings"][name]["batch"] = 12
    line = contradiction(config, "demo", classes=8)
    assert f"{schedule}.batch of set 'demo' is 16" in line and "2 processes" in line


def itself() -> dict:
    section: dict = {}
    section["bound"] = section
    return section


@pytest.mark.parametrize(
    "flow, words",
    [
        (itself(), "holds itself"),
        ({"bound": [[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]}, "more than 20 deep"),
        ({"bound": {date(2024, 1, 1): 1}}, "'flow.bound' is {datetime.date"),
        ({"bound": "a" * 10_000}, "'flow.bound' is \"aaa"),
        ({"a" * 10_000: 1}, "unknown key 'flow.aaa"),
    ],
    ids=["itself", "deep", "date", "long", "long key"],
)
def test_values_that_no_config_has_are_refused_in_short(flow, words):
    lines = refusal(copy.deepcopy(CONFIG) | {"flow": flow})
    assert any(words in line for line in lines) and all(len(line) < 600 for line in lines)


def test_many_values_from_few_lines_are_refused():
    """A YAML file of aliases of aliases holds more values than memory."""
    value: list = [1]
    for _ in range(18):
        value = [value] * 10
    (line,) = refusal(copy.deepcopy(CONFIG) | {"flow": {"bound": value}})
    assert "one of more than 200,000 values" in line


def test_sums_of_sources_without_weight_are_refused():
    weights = CONFIG["fusion"]["weights"]
    for pair in (("appearance", "motion"), ("appearance-to-motion", "motion-to-appearance")):
        config = changed("fusion.weights", weights | dict.fromkeys(pair, 0))
        assert f"are 0 for {' and '.join(pair)}" in contradiction(config, "ucf101")
        one = changed("fusion.weights", weights | {pair[0]: 0})
        assert check.check_run(one, "ucf101", None, 101)["fusion"]["weights"][pair[1]] > 0


def test_the_paper_adds_probabilities():
    softmax = changed("fusion.rule", "paper")
    softmax["scores"] = softmax["scores"] | {"space": "softmax"}
    for name in ("ucf101", "demo"):
        assert check.check_run(softmax, name, None, 101)
        line = contradiction(changed("fusion.rule", "paper"), name)
        assert "fusion.rule" in line and "set it to softmax" in line


@pytest.mark.parametrize(
    "path, value",
    [
        ("co2fi.segments", 0),
        ("co2fi.segments", 2.5),
        ("scores.snippets", -1),
        ("variants.tsn.settings.by_stream", {"motion": {"network": {"width": 0.5}}}),
        ("variants.tsn.settings.by_stream", {"motion": {"network": {"dropout": {"fc7": 1.0}}}}),
        ("by_stream", {"motion": {"co2fi": {"lr": 0.1}}}),
    ],
)
def test_what_tsn_cannot_have_is_refused(path, value):
    (line,) = refusal(changed(path, value))
    assert path in line


def test_a_variant_has_one_kind():
    (line,) = refusal(changed("variants.tsn.settings.by_kind", {"baseline": {"co2fi": {"lr": 1}}}))
    assert "variants.tsn.settings.by_kind: a variant has networks of one kind" in line


def test_numbers_of_a_stream_may_have_exponents():
    config = changed("variants.tsn.settings.by_stream", {"motion": {"co2fi": {"lr": "5e-3"}}})
    check.check(config)
    settings = check.check_run(config, "ucf101", Run("split1", "tsn"), 101)
    assert settings["by_stream"] == {"motion": {"co2fi": {"lr": 0.005}}}


@pytest.mark.parametrize("variant", ["complete", "no_grouping"])
def test_co2fi_learns_from_one_instant_at_a_time(variant):
    config = changed("sets.ucf101.settings.co2fi", {"segments": 3})
    line = contradiction(config, "ucf101", Run("split1", variant))
    assert "co2fi.segments of set 'ucf101'" in line and line.count("; ") == 1
    assert "set network.kind to baseline, or co2fi.segments to 1" in line
    # Where no CO2FI is trained, they may be.
    for run in (None, Run("split1", "baseline"), Run("split1", "direct"), Run("split1", "tsn")):
        assert check.check_run(config, "ucf101", run, 101)["co2fi"]["segments"] == 3
    one_stream = changed("sets.ucf101.settings.by_stream", {"motion": {"co2fi": {"segments": 2}}})
    assert "segments of set 'ucf101' is 2" in contradiction(one_stream, "ucf101", Run("split1"))


@pytest.mark.parametrize("run", [Run("split1"), Run("split2", "baseline_syn", 3)], ids=str)
def test_asynchronous_fusion_is_scored_at_periods(run):
    config = changed("sets.ucf101.settings.scores", {"snippets": 25})
    line = contradiction(config, "ucf101", run)
    assert "scores.snippets of set 'ucf101'" in line and "is 25" in line and "set it to 0" in line
    assert check.check_run(config, "ucf101", Run("split1", "direct"), 101)
    assert check.check_run(config, "ucf101", None, 101)


def test_tsns_streams_may_be_fused_asynchronously_at_periods():
    config = changed("variants.tsn_asyn", {"streams": "tsn"})
    assert "variant 'tsn_asyn' is 25" in contradiction(config, "demo", Run("split1", "tsn_asyn"))
    config["variants"]["tsn_asyn"]["settings"] = {"scores": {"snippets": 0}}
    assert check.check_run(config, "demo", Run("split1", "tsn_asyn"), 8)["scores"]["snippets"] == 0


def test_a_batch_of_one_stream_must_be_shared_equally_too():
    config = changed("variants.tsn.settings.by_stream", {"motion": {"co2fi": {"batch": 9}}})
    config["compute"]["processes"] = 2
    line = contradiction(config, "ucf101", Run("split1", "tsn"))
    assert "co2fi.batch of set 'ucf101', variant 'tsn', motion is 9" in line
