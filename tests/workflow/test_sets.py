"""What the config says of its sets."""

import json

import pytest

from pipeline.config.runs import Run
from pipeline.errors import PipelineError
from pipeline.workflow.sets import run_of, split_of


def test_every_clip_is_in_one_shard(rules):
    shards = rules.sets.shards("mini")
    held = [clip.id for shard in shards.values() for clip in shard]
    assert sorted(held) == sorted(rules.sets.clip_set("mini").clips) and len(held) == 48
    train, test = (rules.sets.subset_shards("mini", "split1", side) for side in ("train", "test"))
    assert sorted({*train, *test}) == sorted(shards)


def test_shards_and_accepted_damage_need_not_be_said(rules):
    """48 clips are spread over 8 shards, and what jobs are told has all keys."""
    asked = {"examine": rules.params.videos, "frames": rules.params.settings("store", shard=True)}
    shard = rules.wildcards(shard=next(iter(rules.sets.shards("mini"))))
    before = {name: ask(shard) for name, ask in asked.items()}
    del rules.mini["accept_damaged"]
    rules.start()
    assert asked["frames"](shard) == before["frames"]
    assert rules.params.videos(shard) == before["examine"]
    del rules.mini["shards"]
    rules.start()
    entry = json.loads(rules.resources.entry(rules.wildcards()))
    assert entry["accept_damaged"] == []
    # 24 groups of 2 clips, three in each of 8 shards.
    shards = rules.sets.shards("mini")
    assert [len(clips) for clips in shards.values()] == 8 * [6]
    tested = {f"{name}/g01" for name in rules.sets.clip_set("mini").classes}
    assert rules.sets.subset_shards("mini", "split1", "test") == sorted(
        shard for shard, clips in shards.items() if tested & {clip.group for clip in clips}
    )
    names = json.loads(rules.resources.all_shards(rules.wildcards()))
    assert names == list(shards)


def test_videos_are_told_inside_their_folder(rules):
    videos = rules.sets.videos("mini")
    assert videos["SwayFew/v_SwayFew_g01_c01"] == "SwayFew/v_SwayFew_g01_c01.avi"


def test_a_demo_set_is_known_before_it_is_rendered(rules):
    assert rules.sets.demos() == ["demo"]
    assert len(rules.sets.videos("demo")) == 192 and rules.sets.entry("demo")["seed"] == 1


def test_jobs_know_their_run_and_split(rules):
    run = run_of(rules.wildcards(run="split2/baseline/seed3"))
    assert run == Run("split2", "baseline", 3)
    assert run_of(rules.wildcards(split="split1")) is None
    assert split_of(rules.wildcards(run="split2/seed3")) == "split2"
    assert split_of(rules.wildcards(split="split1")) == "split1"


def test_lists_are_read_once(rules, monkeypatch):
    before = rules.sets.clip_set("mini")
    monkeypatch.setattr("pipeline.workflow.sets.load_set", None)
    assert rules.sets.clip_set("mini") is before


def keep_classes(rules, count: int) -> None:
    """Cut the lists of 'mini' to its first classes."""
    path = rules.folder / "lists/classInd.txt"
    lines = path.read_text().splitlines()[:count]
    path.write_text("\n".join(lines) + "\n")
    kept = {line.split()[1] for line in lines}
    for path in (rules.folder / "lists").glob("t*list*.txt"):
        lines = [line for line in path.read_text().splitlines() if line.split("/")[0] in kept]
        path.write_text("\n".join(lines) + "\n")
    rules.start()


def test_sets_of_few_classes_have_groups_of_all_at_most(rules, capsys):
    keep_classes(rules, 3)
    for run in (None, Run("split1"), Run("split1", "syn", 2)):
        assert rules.sets.settings("mini", run)["granularities"] == [3, 3, 1]
    pair = rules.sets.settings("mini", Run("split1", "two_granularities"))
    assert pair["granularities"] == [3, 1]
    assert capsys.readouterr().err == (
        "note: set 'mini' has 3 classes, so its granularities 5, 3, 1 are taken as 3, 3, 1\n"
    )
    stated = rules.params.result(rules.wildcards(run="split1"))
    assert '"granularities":[3,3,1]' in stated


def test_sets_of_many_classes_are_taken_as_they_are(rules, capsys):
    assert rules.sets.settings("mini", Run("split1"))["granularities"] == [5, 3, 1]
    assert capsys.readouterr().err == ""


def test_jobs_leave_notes_to_the_run_that_submitted_them(rules, capsys):
    keep_classes(rules, 2)
    rules.sets.is_job = True
    assert rules.sets.settings("mini", None)["granularities"] == [2, 2, 1]
    assert capsys.readouterr().err == ""


def test_one_class_has_flow_but_no_split_to_learn(rules):
    keep_classes(rules, 1)
    assert len(rules.sets.shards("mini")) > 0
    with pytest.raises(PipelineError, match="set 'mini' has one class.*add clips of another"):
        rules.sets.subset_shards("mini", "split1", "train")


def test_variants_are_checked_only_where_they_are_used(rules):
    rules.config["variants"]["baseline"]["settings"]["loss"] = {"alpha": [1.0]}
    rules.start()
    assert rules.inputs.idt_scores("h5")(rules.wildcards(run="split1"))
    with pytest.raises(PipelineError, match="variant 'baseline' has 1 weights for 3"):
        rules.inputs.idt_scores("h5")(rules.wildcards(run="split1/baseline"))


def test_settings_of_a_set_are_checked_with_its_lists(rules):
    rules.mini["settings"] = {"granularities": [1, 3, 5]}
    with pytest.raises(PipelineError, match="granularities of set 'mini' are .1, 3, 5."):
        rules.start().inputs.rendered(rules.wildcards(shard="000"))


def people(rules, files: dict[str, str], **entry) -> None:
    """Put lists of `files`, by their side, in place of those of 'mini', with videos."""
    folder = rules.folder / "lists"
    for path in folder.glob("*.txt"):
        path.unlink()
    (folder / "classInd.txt").write_text("1 Walk\n2 Run\n")
    for side in ("train", "test"):
        lines = [file for file, of in files.items() if of == side]
        (folder / f"{side}list01.txt").write_text("\n".join(lines) + "\n")
    for file in files:
        path = rules.folder / "videos" / file
        path.parent.mkdir(exist_ok=True)
        path.write_text(file)
    rules.mini.update(entry)
    rules.start()


PEOPLE = {"Walk/ann_1.avi": "train", "Run/bob_1.avi": "train", "Run/ann_2.avi": "test"}


def test_people_in_train_and_test_are_refused_before_anything_starts(rules):
    people(rules, PEOPLE, group="^([a-z]+)_")
    with pytest.raises(PipelineError, match="set 'mini': 1 group is in both train and test"):
        rules.inputs.rendered(rules.wildcards(shard="000"))


def test_accepted_leaks_are_said_once(rules, capsys):
    people(rules, PEOPLE, group="^([a-z]+)_", accept_leaks=True)
    rules.sets.shards("mini"), rules.sets.clip_set("mini")
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "in both" in line]
    assert line.startswith("note: set 'mini': 1 group is in both train and test of split1: ann")


@pytest.mark.parametrize(
    "entry, words",
    [
        ({"group": "^(b[a-z]+)_"}, "group matches 1 of 3 file names; the others are groups of"),
        ({"group": "(zzz)"}, "group matches 0 of 3 file names"),
        ({}, "the group of its format matches 0 of 3 file names"),
    ],
)
def test_patterns_that_match_few_names_are_said(rules, capsys, entry, words):
    people(rules, PEOPLE, **entry)
    rules.sets.clip_set("mini")
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "match" in line]
    assert line.startswith("note: set 'mini': ") and words in line


def test_damage_accepted_of_no_clip_is_refused_with_the_nearest(rules):
    rules.mini["accept_damaged"] = ["SwayFew/v_SwayFew_g01_c01.avi", "SwayFew/v_SwayFew_g01_c02"]
    with pytest.raises(PipelineError) as caught:
        rules.start().inputs.rendered(rules.wildcards(shard="000"))
    assert str(caught.value) == (
        "config.yaml: accept_damaged of set 'mini' has SwayFew/v_SwayFew_g01_c01.avi, but there is "
        "no such clip; did you mean 'SwayFew/v_SwayFew_g01_c01'?"
    )


def test_missing_clips_may_be_skipped(rules):
    video = rules.folder / "videos/SwayFew/v_SwayFew_g01_c01.avi"
    video.unlink()
    with pytest.raises(PipelineError, match="1 of 48 clips of set 'mini' are missing"):
        rules.sets.videos("mini")
    rules.mini["on_bad_clip"] = "skip"
    rules.start()
    shard = next(
        shard
        for shard, clips in rules.sets.shards("mini").items()
        if "SwayFew/g01" in {clip.group for clip in clips}
    )
    without = rules.params.videos(rules.wildcards(shard=shard))
    assert len(rules.sets.videos("mini")) == 47
    assert rules.resources.on_bad_clip(rules.wildcards()) == "skip"
    video.write_text("it is back")
    assert rules.start().params.videos(rules.wildcards(shard=shard)) != without


def test_the_shipped_sets_take_the_official_lists(rules, shared, capsys):
    """They are what papers report on, whatever leaks; what does is said."""
    for name, folder in (
        ("ucf101", "ucfTrainTestlist"),
        ("hmdb51", "testTrainMulti_7030_splits"),
    ):
        rules.config["sets"][name]["lists"] = str(shared / "official_splits" / folder)
    rules.start()
    assert len(rules.sets.clip_set("ucf101").clips) == 13320
    assert capsys.readouterr().err == ""
    assert len(rules.sets.clip_set("hmdb51").clips) == 6766
    (note,) = capsys.readouterr().err.splitlines()
    assert "133 groups are in both train and test of split1, 149 of split2, 144 of split3" in note
    assert all(rules.sets.entry(name)["accept_leaks"] for name in ("ucf101", "hmdb51"))
