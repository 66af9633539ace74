"""A data set of the config: settings of its lists, and published counts."""

from dataset_cases import CURE, refusal

from pipeline.datasets.load import load_set
from pipeline.datasets.videos import locate


def test_weizmann_actors_are_groups(shared):
    folder = shared / "weizmann"
    settings = {
        "format": "ucf101",
        "lists": str(folder / "splits"),
        "group": "^([a-z]+)_",
        "counts": {f"split{number}": [50, 20] for number in (1, 2, 3)},
    }
    clip_set = load_set("weizmann", settings)
    assert len(clip_set.clips) == 70 and len(clip_set.classes) == 10
    actors = {clip.group.split("/")[1] for clip in clip_set.clips.values()}
    assert actors == {"daria", "denis", "eli", "ido", "lena", "lyova", "moshe"}
    for split, tested in {
        "split1": {"daria", "denis"},
        "split2": {"eli", "ido"},
        "split3": {"lena", "lyova"},
    }.items():
        assert {clip.group.split("/")[1] for clip in clip_set.subset(split, "test")} == tested
    paths, unlisted = locate(clip_set, folder / "videos")
    assert len(paths) == 70 and unlisted == []


def test_counts_are_checked(shared):
    settings = {
        "format": "ucf101",
        "lists": str(shared / "official_splits" / "ucfTrainTestlist"),
        "counts": {"split1": [9537, 3784], "split2": [9586, 3734], "split3": [1, 3696]},
    }
    first, third = refusal(load_set, "ucf101", settings)
    assert all(
        text in first for text in ("split1", "3783", "3784", "sets.ucf101.counts")
    ) and CURE.search(first)
    assert "split3" in third and "9624" in third
    (message,) = refusal(load_set, "ucf101", settings | {"counts": {"split4": [1, 1]}})
    assert "split4" in message and "split3" in message
