"""What a job's outcome depends on: values as values, contents as contents, and nothing else."""

import json
import os
import shutil

import pytest

from pipeline.errors import PipelineError
from pipeline.streams import STREAMS


def everything(rules) -> dict[str, str]:
    """The params of one job of each kind."""
    rules.start()
    shard = rules.wildcards(shard="000")
    run, split = rules.wildcards(run="split1"), rules.wildcards(split="split1", subset="train")
    params = rules.params
    return {
        "examine": params.videos(shard),
        "index": params.splits(rules.wildcards()),
        "subset": params.subset(split),
        "flow": params.settings("decode", "flow", "store.flow", shard=True, by_outcome=True)(shard),
        "teacher": params.settings("seed", "teacher", subset="train")(split),
        "co2fi": params.settings("seed", "network", "co2fi", "loss.alpha", subset="train")(run),
        "fuse": params.settings("seed", "fusion", subset="test")(run),
        "result": params.result(run),
        "tables": params.tables(rules.wildcards()),
    }


def changed(before: dict[str, str], after: dict[str, str]) -> set[str]:
    return {name for name in before if before[name] != after[name]}


def test_params_are_a_line_of_json(rules):
    for text in everything(rules).values():
        assert isinstance(json.loads(text), dict) and "\n" not in text


def test_a_job_depends_on_the_settings_that_it_reads(rules):
    before = everything(rules)
    rules.mini["settings"]["flow"] = {"bound": 5.0}
    assert changed(before, everything(rules)) == {"flow", "result"}
    rules.mini["settings"] = {"co2fi": {"lr": 0.02}}
    assert changed(before, everything(rules)) == {"co2fi", "result"}


def test_flow_depends_on_its_solver_where_that_has_other_bits(rules):
    rules.mini["settings"]["flow"] = {"backend": "auto"}
    before = everything(rules)
    for backend in ("cpu", "cuda"):
        rules.mini["settings"]["flow"] = {"backend": backend}
        assert changed(before, everything(rules)) == {"result"}
        given = rules.start().params.settings("flow", shard=True)(rules.wildcards(shard="000"))
        assert json.loads(given)["flow"]["backend"] == backend
    rules.mini["settings"]["flow"] = {"backend": "opencv"}
    assert changed(before, everything(rules)) == {"flow", "result"}


def networks(rules) -> dict[str, str]:
    """By variant the params of the training of a network."""
    sections = ("granularities", "groups", "network", "teacher.width", "loss", "co2fi")
    params = rules.start().params.settings(*sections, by_stream=True)
    return {
        variant: params(rules.wildcards(run=f"split1/{variant}", stream="motion"))
        for variant in ("no_grouping", "two_granularities", "baseline", "direct", "tsn")
    }


CO2FI = {"no_grouping", "two_granularities"}
OTHERS = {"baseline", "direct", "tsn"}


@pytest.mark.parametrize(
    ("section", "values", "trained_anew"),
    [
        ("groups", {"stride": 2}, CO2FI),
        ("groups", {"missing": "add"}, CO2FI),
        ("loss", {"beta": 1.5}, CO2FI),
        ("network", {"fc1": 512}, CO2FI),
        ("network", {"dropout": {"hidden": 0.1}}, CO2FI),
        ("network", {"fc": 2048}, OTHERS),
        ("network", {"dropout": {"fc6": 0.9}}, OTHERS - {"tsn"}),
        ("teacher", {"width": 0.5}, {"direct"}),
        ("teacher", {"iterations": 7}, set()),
        ("network", {"width": 0.5}, CO2FI | OTHERS),
        ("loss", {"gamma": 1.0}, CO2FI | OTHERS),
    ],
)
def test_networks_depend_on_the_settings_that_their_kind_reads(
    rules, section, values, trained_anew
):
    """What they do not read costs nobody days: a baseline knows no teacher and no groups."""
    # Those of ImageNet fit no other width.
    rules.mini["settings"] = {"network": {"weights": "none"}}
    before = networks(rules)
    rules.mini["settings"].setdefault(section, {}).update(values)
    assert changed(before, networks(rules)) == trained_anew


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"flow": {"bound": 5}}, {"flow": {"bound": 5.0}}),
        ({"co2fi": {"lr": 1, "batch": 8}}, {"co2fi": {"batch": 8.0, "lr": 1.0}}),
        ({"loss": {"alpha": [0, 0, 1]}}, {"loss": {"alpha": [0.0, 0.0, 1.0]}}),
    ],
)
def test_equal_values_are_equal_however_they_are_spelt(rules, one, other):
    rules.mini["settings"] = one
    before = everything(rules)
    rules.mini["settings"] = other
    assert everything(rules) == before


@pytest.mark.parametrize("spelling", ["videos/", "./videos", "absolute", "moved"])
def test_paths_are_not_content(rules, spelling):
    before = everything(rules)
    if spelling == "moved":
        for name in ("videos", "lists"):
            shutil.move(name, f"elsewhere_{name}")
            rules.mini[name] = f"elsewhere_{name}"
    else:
        rules.mini["videos"] = str(rules.folder / "videos") if spelling == "absolute" else spelling
        rules.mini["lists"] = f"{rules.folder}/lists/"
    assert everything(rules) == before


def test_a_changed_video_changes_its_shard_only(rules):
    shards = {
        name: rules.params.videos(rules.wildcards(shard=name)) for name in ("000", "001", "002")
    }
    clip = rules.sets.shards("mini")["001"][0]
    (rules.folder / "videos" / clip.file).write_text("another video")
    rules.start()
    after = {name: rules.params.videos(rules.wildcards(shard=name)) for name in shards}
    assert changed(shards, after) == {"001"}


def test_a_changed_list_changes_what_reads_its_clips(rules):
    before = everything(rules)
    path = rules.folder / "lists/testlist01.txt"
    path.write_text(path.read_text().partition("\n")[2])
    assert changed(before, everything(rules)) == {"index", "fuse"}


def test_order_and_line_ends_of_lists_do_not_count(rules):
    before = everything(rules)
    path = rules.folder / "lists/trainlist01.txt"
    path.write_text("\r\n".join(reversed(path.read_text().splitlines())) + "\r\n")
    assert everything(rules) == before


def test_accepted_damage_belongs_to_its_shard(rules):
    clip = rules.sets.shards("mini")["000"][0].id
    before = everything(rules)
    rules.mini["accept_damaged"] = [clip]
    assert changed(before, everything(rules)) == {"examine", "flow"}
    other = json.loads(rules.params.videos(rules.wildcards(shard="001")))
    assert other["accept_damaged"] == []


def test_weights_count_by_content(rules):
    rules.mini["settings"] = {"network": {"weights": "vgg16.pth"}}
    with pytest.raises(PipelineError, match="vgg16.pth: there is no such weight file"):
        everything(rules)
    (rules.folder / "vgg16.pth").write_text("weights")
    before = everything(rules)
    (rules.folder / "vgg16.pth").rename("renamed.pth")
    rules.mini["settings"]["network"]["weights"] = "renamed.pth"
    assert everything(rules) == before
    (rules.folder / "renamed.pth").write_text("other weights")
    assert changed(before, everything(rules)) == {"co2fi", "result"}


def test_weights_of_the_teacher_count_by_content(rules):
    rules.mini["settings"] = {"teacher": {"backbone": "resnet18", "weights": "resnet18.pth"}}
    with pytest.raises(PipelineError, match="resnet18.pth: .* correct teacher.weights"):
        everything(rules)
    (rules.folder / "resnet18.pth").write_text("weights")
    before = everything(rules)
    (rules.folder / "resnet18.pth").write_text("other weights")
    assert changed(before, everything(rules)) == {"teacher", "result"}


def test_tables_hold_the_published_numbers(rules):
    plan = json.loads(rules.params.tables(rules.wildcards(set="ucf101")))["tables"]
    (row,) = (row for row in plan["rows"] if row["name"] == "CO2FI-complete")
    assert row["paper"]["ucf101"] == {"appearance": 81.7, "motion": 87.9, "two_stream": 92.8}


def test_an_older_list_changes_what_reads_its_clips(rules):
    """As it comes out of an archive."""
    before = everything(rules)
    path = rules.folder / "lists/testlist01.txt"
    path.write_text(path.read_text().partition("\n")[2])
    os.utime(path, (1, 1))
    assert changed(before, everything(rules)) == {"index", "fuse"}


def test_policies_on_clips_rerun_the_tables_of_clips_alone(rules):
    before = everything(rules)
    rules.mini["on_bad_clip"] = "skip"
    assert changed(before, everything(rules)) == {"index", "subset"}
    del rules.mini["on_bad_clip"]
    rules.mini["accept_leaks"] = True
    assert changed(before, everything(rules)) == {"index", "subset"}


def test_a_job_is_told_the_settings_of_its_inputs(rules):
    """Of the set, of the run, and of the run whose stream networks it takes."""
    rules.start()
    wildcards = rules.wildcards(run="split1/baseline_syn/seed2", direction="motion-to-appearance")
    path = rules.params.wanted(wildcards)
    wanted = json.loads((rules.folder / path).read_text())
    assert set(wanted["runs"]) == {"", "split1/baseline/seed2", "split1/baseline_syn/seed2"}
    assert wanted["runs"][""]["seed"] == 1 and wanted["runs"][""]["network"]["kind"] == "co2fi"
    streams = wanted["runs"]["split1/baseline/seed2"]
    assert streams["seed"] == 2 and streams["network"]["kind"] == "baseline"
    digest = rules.sets.clip_set("mini").digest
    assert wanted["identity"]["train"] == digest("split1", "train")
    assert wanted["identity"]["splits"]["split2"][1] == digest("split2", "test")
    assert rules.params.wanted(wildcards) == path
    # Another config has a file of its own.
    rules.mini["settings"] = {"flow": {"bound": 5.0}}
    rules.start()
    assert rules.params.wanted(wildcards) != path and (rules.folder / path).is_file()
    shared = rules.params.wanted(rules.wildcards(split="split1", stream="motion"))
    assert set(json.loads((rules.folder / shared).read_text())["runs"]) == {""}


def test_a_stream_may_have_settings_of_its_own(rules):
    """They are params of its network's training, and what its model is wanted to be made with."""
    run = rules.wildcards(run="split1/tsn", stream="motion")

    def of(stream: str, **how) -> dict:
        wildcards = rules.wildcards(run="split1/tsn", stream=stream)
        return json.loads(rules.params.settings("network", "co2fi", **how)(wildcards))

    dropout = {stream: of(stream, by_stream=True)["network"]["dropout"] for stream in STREAMS}
    assert {stream: rates["fc7"] for stream, rates in dropout.items()} == {
        "appearance": 0.8,
        "motion": 0.7,
    }
    # A rule that does not ask for them has the common settings, and of them no word.
    assert of("motion") == of("appearance") and of("motion")["network"]["dropout"]["fc7"] == 0.5
    plain = rules.wildcards(run="split1/baseline", stream="motion")
    chosen = [
        rules.params.settings("network", "co2fi", by_stream=by_stream)(plain)
        for by_stream in (False, True)
    ]
    assert chosen[0] == chosen[1]
    wanted = json.loads((rules.folder / rules.params.wanted(run)).read_text())["runs"]
    assert set(wanted) == {
        "",
        "split1/tsn",
        "split1/tsn/appearance/co2fi",
        "split1/tsn/motion/co2fi",
    }
    assert wanted["split1/tsn/motion/co2fi"]["network"]["dropout"]["fc7"] == 0.7
    assert wanted["split1/tsn"]["network"]["dropout"]["fc7"] == 0.5
