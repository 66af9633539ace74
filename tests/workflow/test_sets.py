"""What the config says of its sets."""

from pipeline.config.runs import Run
from pipeline.workflow.sets import run_of, split_of


def test_every_clip_is_in_one_shard(rules):
    shards = rules.sets.shards("mini")
    clips = [clip.id for shard in shards.values() for clip in shard]
    assert sorted(clips) == sorted(rules.sets.clip_set("mini").clips) and len(clips) == 48
    train, test = (rules.sets.subset_shards("mini", "split1", side) for side in ("train", "test"))
    assert sorted({*train, *test}) == sorted(shards)


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
