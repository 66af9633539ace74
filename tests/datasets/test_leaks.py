"""Groups and copies of files on both sides of a split, and labels that contradict one another."""

from pathlib import Path

import pytest

from pipeline.datasets import hmdb51, leaks, ucf101
from pipeline.datasets.clips import Clip, ClipSet
from pipeline.datasets.load import load_set, spans_classes
from pipeline.errors import PipelineError

# People in the names: ann walks in train and runs in test, bob is in train alone, the last has no
# group.
CLIPS = {
    "Walk/ann_1": ("ann", "train"),
    "Walk/bob_1": ("bob", "train"),
    "Run/bob_1": ("bob", "train"),
    "Run/ann_1": ("ann", "test"),
    "Walk/1": ("1.avi", "train"),
    "Run/1": ("1.avi", "test"),
}


def people() -> ClipSet:
    clips = {
        clip: Clip(clip, f"{clip}.avi", f"{clip.split('/')[0]}/{group}", {"split1": side})
        for clip, (group, side) in CLIPS.items()
    }
    return ClipSet("mine", ["Walk", "Run"], clips, ["split1"])


def rows(side: str, contents: dict[str, str]) -> list[dict]:
    return [
        {"clip": clip.id, "group": clip.group, "sha256": contents.get(clip.id, clip.id)}
        for clip in people().subset("split1", side)
    ]


@pytest.mark.parametrize(
    "entry, spans",
    [
        ({"format": "ucf101"}, False),
        ({"format": "ucf101", "group": ucf101.GROUP}, False),
        ({"format": "ucf101", "group": "^([a-z]+)_"}, True),
        ({"format": "hmdb51"}, True),
        ({"format": "demo"}, False),
    ],
)
def test_groups_of_a_sets_own_pattern_mean_the_same_in_all_classes(entry, spans):
    assert spans_classes(entry) == spans


def test_a_person_in_train_and_test_under_two_classes_is_found():
    found = leaks.group_leaks(people(), "split1", True)
    assert found.groups == {"ann": (["Walk/ann_1"], ["Run/ann_1"])}
    assert leaks.group_leaks(people(), "split1", False).groups == {}


def test_clips_without_a_group_are_groups_of_their_own():
    assert leaks.matched(people().clips.values()) == 4
    assert leaks.group_name("Walk/1", "Walk/1.avi", True) is None
    assert leaks.group_name("Walk/ann_1", "Walk/ann", True) == "ann"
    assert leaks.group_name("Walk/ann_1", "Walk/ann", False) == "Walk/ann"


def test_leaking_groups_are_refused_or_said():
    with pytest.raises(PipelineError) as caught:
        leaks.check_groups(people(), {}, True)
    assert str(caught.value) == (
        "set 'mine': 1 group is in both train and test of split1: ann (such as 'Walk/ann_1' and "
        "'Run/ann_1'); clips of one group are near-duplicates; move the clips of each to one side, "
        "or write accept_leaks: true below sets.mine in the config to have it stated in acc.json"
    )
    (sentence,) = leaks.check_groups(people(), {"accept_leaks": True}, True)
    assert "1 group" in sentence and "ann" in sentence and "accepted" in sentence
    assert leaks.check_groups(people(), {}, False) == []


def test_many_leaking_groups_are_one_sentence_with_five_names():
    clips = {}
    for number in range(9):
        for name, side in (("Walk", "train"), ("Run", "test")):
            clip = Clip(f"{name}/p{number}_1", "", f"{name}/p{number}", {"split1": side})
            clip.splits["split2"] = "train" if number > 1 else side
            clips[clip.id] = clip
    found = ClipSet("mine", ["Walk", "Run"], clips, ["split1", "split2"])
    with pytest.raises(PipelineError) as caught:
        leaks.check_groups(found, {}, True)
    (line,) = str(caught.value).splitlines()
    assert (
        "9 groups are in both train and test of split1, 2 of split2: p0, p1, p2, p3, p4 and 4"
        in line
    )


def test_copies_are_found_in_any_class_and_split():
    equal = {"Walk/ann_1": "same", "Run/ann_1": "same", "Walk/bob_1": "other", "Run/bob_1": "other"}
    found = leaks.leaks(rows("train", equal), rows("test", equal), False)
    assert found.copies == [["Run/ann_1", "Walk/ann_1"]]
    assert found.mislabelled == [["Run/ann_1", "Walk/ann_1"], ["Run/bob_1", "Walk/bob_1"]]
    summary = leaks.leaks(rows("train", equal), rows("test", equal), True).summary()
    assert summary["groups"] == {"count": 1, "test_clips": 1, "names": ["ann"]}
    assert summary["copies"]["count"] == 1
    assert summary["copies_in_several_classes"]["count"] == 2
    clean = leaks.leaks(rows("train", {}), rows("test", {}), False).summary()
    assert [kind["count"] for kind in clean.values()] == [0, 0, 0]


def index_rows(contents: dict[str, str]) -> list[dict]:
    return [row | {"split1": side} for side in ("train", "test") for row in rows(side, contents)]


def test_copies_on_one_side_and_in_one_class_are_no_leak():
    """Repeated clips weigh more in training, and that is all."""
    contents = {"Walk/ann_1": "same", "Walk/bob_1": "same"}
    assert leaks.check_copies("mine", index_rows(contents), ["split1"], {}) == []


@pytest.mark.parametrize(
    "contents, words",
    [
        (
            {"Walk/ann_1": "same", "Run/ann_1": "same"},
            "1 file is in both train and test of split1: Run/ann_1 = Walk/ann_1; these clips",
        ),
        (
            {"Walk/bob_1": "same", "Run/bob_1": "same"},
            "1 file is in several classes: Run/bob_1 = Walk/bob_1; these clips",
        ),
    ],
)
def test_copies_are_refused_or_said(contents, words):
    with pytest.raises(PipelineError, match="set 'mine': .*or write accept_leaks: true") as caught:
        leaks.check_copies("mine", index_rows(contents), ["split1"], {})
    assert words in str(caught.value)
    said = leaks.check_copies("mine", index_rows(contents), ["split1"], {"accept_leaks": True})
    assert said and all("accepted by its accept_leaks" in sentence for sentence in said)


def test_clips_that_no_split_uses_leak_nothing():
    contents = {"Walk/ann_1": "same", "Walk/2": "same"}
    unused = {"clip": "Walk/2", "group": "Walk/2.avi", "sha256": "same", "split1": ""}
    assert leaks.check_copies("mine", [*index_rows(contents), unused], ["split1"], {}) == []


def test_official_lists(shared):
    """UCF101's groups are clean; HMDB51's splits share films between classes."""
    folder = shared / "official_splits"
    found = ucf101.read("ucf101", folder / "ucfTrainTestlist")
    assert (
        leaks.check_groups(found, {}, False) == [] and leaks.matched(found.clips.values()) == 13320
    )
    found = hmdb51.read("hmdb51", folder / "testTrainMulti_7030_splits")
    counts = [len(leaks.group_leaks(found, split, True).groups) for split in found.splits]
    assert counts == [133, 149, 144] and leaks.check_groups(found, {}, False) == []


def test_groups_of_a_class_on_both_sides_may_be_accepted(lists):
    folder = lists(testlist01="Run/v_Run_g01_c03.avi\nJump/v_Jump_g02_c01.avi\n")
    entry = {"format": "ucf101", "lists": str(folder)}
    with pytest.raises(PipelineError, match="group 'Run/g01' is in both train and test"):
        load_set("mine", entry)
    found = load_set("mine", entry | {"accept_leaks": True})
    (sentence,) = leaks.check_groups(found, {"accept_leaks": True}, False)
    assert "1 group is in both train and test of split1: Run/g01" in sentence


def test_real_lists_of_people_do_not_leak(shared):
    group = "^([a-z]+)_"
    found = ucf101.read("weizmann", Path(shared / "weizmann/splits"), group)
    assert leaks.check_groups(found, {}, True) == [] and leaks.matched(found.clips.values()) == 70
