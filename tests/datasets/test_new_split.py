"""Splits that are chosen: groups whole, classes on both sides, shares as wanted."""

import random
from collections import Counter

import pytest

from pipeline.datasets import new_split, ucf101
from pipeline.datasets.clips import Clip


def clips_of(sizes: dict[str, dict[str, int]]) -> list[Clip]:
    """Clips of groups by class: {class: {group: clips}}."""
    return [
        Clip(f"{name}/{group}_{i}", f"{name}/{group}_{i}.avi", f"{name}/{group}")
        for name, groups in sizes.items()
        for group, count in groups.items()
        for i in range(count)
    ]


def in_test(clips: list[Clip], groups: set[str], over: bool) -> Counter:
    return Counter(c.class_name for c in clips if new_split.group_key(c, over) in groups)


def test_shares_are_met_where_groups_let_it():
    """Ten groups of 1 .. 10 clips, 55 in each class: 30 % are 16.5."""
    sizes = {name: {f"g{i}": i for i in range(1, 11)} for name in ("Run", "Walk", "Sit")}
    clips = clips_of(sizes)
    (groups,) = new_split.choose(clips, False, 0.3, seed=1)
    assert set(in_test(clips, groups, False).values()) <= {16, 17}


def test_groups_over_classes_are_on_one_side():
    """A person who does all is nowhere in both; 7 people of one clip each: 2 are 29 %."""
    sizes = {name: dict.fromkeys("abcdefg", 1) for name in ("Run", "Walk", "Sit")}
    clips = clips_of(sizes)
    (groups,) = new_split.choose(clips, True, 0.3, seed=1)
    assert len(groups) == 2 and groups <= set("abcdefg")
    assert in_test(clips, groups, True) == {"Run": 2, "Walk": 2, "Sit": 2}


@pytest.mark.parametrize("seed", range(10))
def test_every_class_is_on_both_sides(seed):
    """Two people in each class, in a ring: of five, every second person cannot be."""
    names = "abcdef"
    sizes = {f"C{i}": {names[i]: 3, names[(i + 1) % 6]: 1} for i in range(6)}
    clips = clips_of(sizes)
    (groups,) = new_split.choose(clips, True, 0.2, seed=seed)
    count = in_test(clips, groups, True)
    # Only every second person around the ring does it.
    assert groups in ({"a", "c", "e"}, {"b", "d", "f"})
    assert all(0 < count[name] < 4 for name in sizes)


def test_classes_of_one_group_are_trained():
    clips = clips_of({"Run": {"a": 5}, "Walk": {"a": 1, "b": 2, "c": 2}})
    (groups,) = new_split.choose(clips, True, 0.5, seed=1)
    assert "a" not in groups and in_test(clips, groups, True)["Walk"] == 2


def test_nothing_is_tested_where_every_group_is_all_of_a_class():
    clips = clips_of({"Run": {"a": 5}, "Walk": {"b": 5}, "Sit": {"a": 1, "b": 1}})
    assert new_split.choose(clips, True, 0.5, seed=1) == [set()]


def test_splits_test_on_different_groups():
    """Three splits of 30 % are nine of ten groups."""
    clips = clips_of({"Run": {f"g{i}": 2 for i in range(10)}, "Walk": {"x": 3, "y": 3}})
    splits = new_split.choose(clips, False, 0.3, seed=5, splits=3)
    run = [{name for name in split if name.startswith("Run")} for split in splits]
    assert [len(groups) for groups in run] == [3, 3, 3] and len(set.union(*run)) == 9


def test_seeds_tell_splits_and_order_does_not():
    clips = clips_of(
        {"Run": {f"g{i}": 2 for i in range(20)}, "Walk": {f"g{i}": 1 for i in range(20)}}
    )
    once = new_split.choose(clips, False, 0.3, seed=1)
    random.Random(3).shuffle(clips)
    assert new_split.choose(clips, False, 0.3, seed=1) == once
    assert new_split.choose(clips, False, 0.3, seed=2) != once


def test_an_added_clip_moves_few_others():
    """Orders of the groups are those of their names."""
    sizes = {"Run": {f"g{i}": 1 for i in range(100)}, "Walk": {"x": 3, "y": 3}}
    (before,) = new_split.choose(clips_of(sizes), False, 0.3, seed=1)
    sizes["Run"]["new"] = 1
    (after,) = new_split.choose(clips_of(sizes), False, 0.3, seed=1)
    assert len(before ^ after) <= 2


def test_lists_are_read_as_they_are_meant(tmp_path):
    """By the reader of UCF101's lists, with names that hold what lists part columns by."""
    names = ['it\'s, {1} "2" 3.avi', "é;x|y.MP4", "# 5.avi", "a 1.avi 2.avi", "back\\slash.avi"]
    clips = [
        Clip(f"{name}/{file.rsplit('.', 1)[0]}", f"{name}/{file}", f"{name}/{file}")
        for name in ("Run 2", "1", "#Sit", "video")
        for file in names
    ]
    groups = new_split.choose(clips, False, 0.4, seed=1, splits=2)
    meant = new_split.clip_set("mine", clips, groups, False)
    new_split.write(new_split.list_texts(meant), tmp_path)
    read = ucf101.read("mine", tmp_path, "(none)")
    assert read == meant and {c: k.splits for c, k in read.clips.items()} == {
        c: k.splits for c, k in meant.clips.items()
    }
    assert len(read.subset("split1", "test")) == 8
