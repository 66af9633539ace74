"""Split lists in UCF101's layout: the official ones, hand-made ones and broken ones."""

import os
import re
from collections import Counter

import pytest
from dataset_cases import CURE, LISTS, refusal

from pipeline.datasets import ucf101
from pipeline.errors import PipelineError


def test_ucf101_official(shared):
    folder = shared / "official_splits" / "ucfTrainTestlist"
    clip_set = ucf101.read("ucf101", folder)
    assert len(clip_set.clips) == 13320 and clip_set.splits == ["split1", "split2", "split3"]
    counts = {
        split: (len(clip_set.subset(split, "train")), len(clip_set.subset(split, "test")))
        for split in clip_set.splits
    }
    assert counts == {"split1": (9537, 3783), "split2": (9586, 3734), "split3": (9624, 3696)}
    assert len(clip_set.classes) == 101 and (clip_set.classes[0], clip_set.classes[-1]) == (
        "ApplyEyeMakeup",
        "YoYo",
    )
    groups = Counter(
        group.split("/")[0] for group in {clip.group for clip in clip_set.clips.values()}
    )
    # The paper of UCF101 states 25 groups per class.
    assert set(groups.values()) == {25}
    for number in (1, 2, 3):
        for line in (folder / f"trainlist0{number}.txt").read_text().splitlines():
            file, label = line.split()
            clip = clip_set.clips[file.removesuffix(".avi")]
            assert (
                clip.splits[f"split{number}"] == "train"
                and clip_set.classes[int(label) - 1] == clip.class_name
            )


def test_class_is_the_folder(shared):
    clip_set = ucf101.read("ucf101", shared / "official_splits" / "ucfTrainTestlist")
    odd = [clip for clip in clip_set.clips.values() if "/v_HandStandPushups_" in clip.id]
    assert len(odd) > 100 and {clip.class_name for clip in odd} == {"HandstandPushups"}
    assert "HandstandPushups" in clip_set.classes and "HandStandPushups" not in clip_set.classes


def test_same_set_whatever_the_line_ends_order_and_labels(lists):
    plain = ucf101.read("set", lists())
    crlf = {name: text.replace("\n", "\r\n") for name, text in LISTS.items()}
    labelled = "Run/v_Run_g02_c01.avi 1\n\nJump/v_Jump_g02_c01.avi 2"
    backwards = "\n".join(reversed(LISTS["trainlist01"].splitlines()))
    for number, changed in enumerate([crlf, {"testlist01": labelled}, {"trainlist01": backwards}]):
        other = ucf101.read("set", lists(f"lists{number}", **changed))
        assert other == plain and other.clips["Run/v_Run_g02_c01"].splits == {"split1": "test"}
        assert all(
            other.digest("split1", part) == plain.digest("split1", part)
            for part in ("train", "test")
        )


def test_labels_may_be_set_off_by_any_blank(lists):
    tabs = LISTS["trainlist01"].replace(" ", "\t")
    assert ucf101.read("set", lists(trainlist01=tabs)) == ucf101.read("set", lists("plain"))


def test_names_with_blanks_and_without_endings(lists):
    train = "Run/a run_g01_c01.avi 1\nRun/b_g01_c01 1\nJump/c 2.avi 2\n"
    clip_set = ucf101.read("set", lists(trainlist01=train))
    files = {clip.file for clip in clip_set.subset("split1", "train")}
    assert files == {"Run/a run_g01_c01.avi", "Run/b_g01_c01", "Jump/c 2.avi"}
    assert (
        clip_set.clips["Run/b_g01_c01"].group == "Run/g01"
        and clip_set.clips["Jump/c 2"].group == "Jump/c 2.avi"
    )


def test_bracket_that_takes_no_part_makes_a_group_of_its_own(lists):
    clip_set = ucf101.read("set", lists(), r"^v_(?:Walk_(g\d+)|Run|Jump)")
    assert len({clip.group for clip in clip_set.clips.values()}) == 5


@pytest.mark.parametrize("pattern", ["(", "(?:g01)", "g01"])
def test_useless_group_pattern_is_refused(lists, pattern):
    (message,) = refusal(ucf101.read, "set", lists(), pattern)
    assert "group" in message and pattern in message


# What is wrong -> the lists that differ, and what each line of the error must contain.
WRONG = {
    "unknown class": (
        {"testlist01": "Run/a.avi\nWalk/b.avi\nSwim/c.avi\n"},
        [["Walk/b.avi"], ["Swim/c.avi"]],
    ),
    "no slash": (
        {"testlist01": "v_Run_g02_c01.avi\n"},
        [["testlist01.txt:1:", "v_Run_g02_c01.avi"]],
    ),
    "two slashes": ({"testlist01": "\nRun/sub/a.avi\n"}, [["testlist01.txt:2:"]]),
    "dots for a file": ({"trainlist01": "Run/.. 1\n"}, [["trainlist01.txt:1:"]]),
    "dots for a class": ({"trainlist01": "../a.avi 1\n"}, [["trainlist01.txt:1:"]]),
    "no file": ({"trainlist01": "Run/ 1\n"}, [["trainlist01.txt:1:"]]),
    "contradicting label": (
        {"testlist01": "Run/a.avi 1\nJump/b.avi 1\n"},
        [["testlist01.txt:2:", "Jump/b.avi", "2"]],
    ),
    "gap in the class numbers": ({"classInd": "1 Run\n3 Jump\n"}, [["classInd.txt"]]),
    "class numbers from 2": ({"classInd": "2 Run\n3 Jump\n"}, [["classInd.txt"]]),
    "doubled class number": ({"classInd": "1 Run\n1 Jump\n"}, [["classInd.txt:2:"]]),
    "doubled class": ({"classInd": "1 Run\n2 Run\n"}, [["classInd.txt:2:"]]),
    "doubled class, more blanks": (
        {"classInd": "1 Run\n2  Run\n3 Jump\n", "trainlist01": "Run/a.avi\nJump/b.avi\n"},
        [["classInd.txt:2:"]],
    ),
    "class without number": ({"classInd": "Run\nJump\n"}, [["classInd.txt:1:"]]),
    "no clips to train on": ({"trainlist01": ""}, [["split1", "train"]]),
    "no clips to test on": ({"testlist01": "\n\n"}, [["split1", "test"]]),
    "no clips at all": ({"trainlist01": "", "testlist01": ""}, [["train"]]),
    "a split without clips": ({"trainlist02": "", "testlist02": ""}, [[]]),
    "a class without clips to train on": (
        {"trainlist01": "Run/a.avi 1\n"},
        [["split1", "train", "Jump"]],
    ),
    "a split without test list": ({"trainlist02": LISTS["trainlist01"]}, [["split2", "test"]]),
    "clips that differ in their ending": (
        {"trainlist01": "Run/a.avi 1\nRun/a.mp4 1\n"},
        [["Run/a.avi", "Run/a.mp4"]],
    ),
    "group on both sides": (
        {"testlist01": "Run/v_Run_g01_c07.avi\n"},
        [["Run/g01", "v_Run_g01_c07.avi", "split1"]],
    ),
    "a copy of a list": ({"trainlist01 (1)": LISTS["trainlist01"]}, [["trainlist01 (1).txt"]]),
    "not UTF-8": ({"testlist01": "Run/caf\u00e9.avi\n".encode("latin-1")}, [["testlist01.txt"]]),
    "classes not in UTF-8": (
        {"classInd": "1 Run\n2 Jump\n3 Caf\u00e9\n".encode("latin-1")},
        [["classInd.txt"]],
    ),
}


@pytest.mark.parametrize("changed, expected", WRONG.values(), ids=WRONG)
def test_wrong_lists_are_refused(lists, changed, expected):
    folder = lists(**changed)
    lines = refusal(ucf101.read, "set", folder)
    assert len(lines) == len(expected)
    for line, parts in zip(lines, expected, strict=True):
        assert (
            line.startswith(str(folder))
            and all(part in line for part in parts)
            and CURE.search(line)
        )


@pytest.mark.parametrize("name", LISTS)
def test_missing_list(lists, name):
    folder = lists()
    (folder / f"{name}.txt").unlink()
    (message,) = refusal(ucf101.read, "set", folder)
    assert str(folder) in message and f"{name}.txt" in message and CURE.search(message)


# How other programs write the lists of the same set: the lists that differ.
OTHERS = {
    "labels from 0": {
        "trainlist01": re.sub(r" (\d)", lambda m: f" {int(m[1]) - 1}", LISTS["trainlist01"]),
        "testlist01": "Run/v_Run_g02_c01.avi 0\nJump/v_Jump_g02_c01.avi 1\n",
    },
    "all numbers from 0": {
        "classInd": "0 Run\n1 Jump\n",
        "trainlist01": re.sub(r" (\d)", lambda m: f" {int(m[1]) - 1}", LISTS["trainlist01"]),
    },
    "classes from 0, labels from 1": {"classInd": "0 Run\n1 Jump\n"},
    "frames": {"trainlist01": re.sub(r" (\d)", r" 120 \1", LISTS["trainlist01"])},
    "CSV": {
        "trainlist01": "path,label\n" + LISTS["trainlist01"].replace(" ", ","),
        "classInd": "1,Run\n2,Jump\n",
    },
    "absolute": {"trainlist01": re.sub("(?m)^(?=.)", "/data/UCF-101/", LISTS["trainlist01"])},
    "Windows": {"testlist01": LISTS["testlist01"].replace("/", "\\").replace("\n", "\r\n")},
    "comments": {
        "trainlist01": "# mine\n" + LISTS["trainlist01"],
        "classInd": "# classes\n1 Run\n2 Jump",
    },
    "UTF-16": {name: text.encode("utf-16") for name, text in LISTS.items()},
    "UTF-8 with a mark": {name: text.encode("utf-8-sig") for name, text in LISTS.items()},
}


@pytest.mark.parametrize("changed", OTHERS.values(), ids=OTHERS)
def test_lists_of_other_programs_are_the_same_set(lists, changed):
    plain, other = ucf101.read("set", lists()), ucf101.read("set", lists("other", **changed))
    assert other == plain
    for subset in ("train", "test"):
        assert other.digest("split1", subset) == plain.digest("split1", subset)
    assert [clip.splits for clip in other.clips.values()] == [
        clip.splits for clip in plain.clips.values()
    ]


def test_names_of_lists(lists):
    plain = ucf101.read("set", lists())
    for number, name in enumerate(["list", "list1", "list001"]):
        folder = lists(f"named{number}")
        for subset in ("train", "test"):
            (folder / f"{subset}list01.txt").rename(folder / f"{subset}{name}.txt")
        assert ucf101.read("set", folder) == plain


def test_two_lists_of_one_split_are_refused(lists):
    (message,) = refusal(ucf101.read, "set", lists(trainlist1=LISTS["trainlist01"]))
    assert "trainlist01.txt" in message and "trainlist1.txt" in message and CURE.search(message)


def test_lists_with_the_names_of_other_programs(lists):
    folder = lists()
    for subset, name in (("train", "ucf101_train_split_1_videos"), ("test", "ucf101_val_split_1")):
        (folder / f"{subset}list01.txt").rename(folder / f"{name}.txt")
    (message,) = refusal(ucf101.read, "set", folder)
    assert "rename ucf101_train_split_1_videos.txt to trainlist01.txt" in message


def test_lists_of_hmdb51_are_told(tmp_path):
    (tmp_path / "climb_test_split1.txt").write_text("a.avi 1\nb.avi 2\n")
    (message,) = refusal(ucf101.read, "mine", tmp_path)
    assert "correct sets.mine.format to hmdb51" in message


def test_labels_of_another_class_list_are_refused(lists):
    changed = {"classInd": "1 Run\n2 Jump\n3 Walk\n", "trainlist01": "Run/a 3\nJump/b 1\nWalk/c 2"}
    lines = refusal(ucf101.read, "set", lists(**changed))
    assert len(lines) == 3 and all("correct one of them" in line for line in lines)


def test_one_name_below_two_folders_is_refused(lists):
    train = "train/Run/a.avi 1\ntrain/Jump/b.avi 2\n"
    test = "test/Run/a.avi 1\ntest/Jump/c.avi 2\n"
    (message,) = refusal(ucf101.read, "set", lists(trainlist01=train, testlist01=test))
    assert "test/Run/a.avi, train/Run/a.avi" in message and CURE.search(message)


def test_every_list_that_cannot_be_read_is_named(lists):
    folder = lists(trainlist02=LISTS["trainlist01"], testlist02=b"\xff\x00")
    (folder / "trainlist01.txt").unlink()
    (folder / "trainlist01.txt").mkdir()
    (folder / "testlist01.txt").unlink()
    os.mkfifo(folder / "testlist01.txt")
    lines = refusal(ucf101.read, "set", folder)
    assert len(lines) == 3 and all(CURE.search(line) for line in lines)
    for name in ("trainlist01.txt", "testlist01.txt", "testlist02.txt"):
        assert any(line.startswith(f"{folder / name}: ") for line in lines)


def test_a_flood_of_malformed_lines_is_short(lists):
    test = "".join(f"v_{number}.avi\n" for number in range(3000))
    with pytest.raises(PipelineError) as caught:
        ucf101.read("set", lists(testlist01=test))
    lines = str(caught.value).split("\n")
    assert len(lines) == 6 and "2,995 more" in lines[-1]
    assert len(caught.value.problems) == 3000


def test_a_class_that_is_no_folder(lists):
    (message,) = refusal(ucf101.read, "set", lists(classInd="1 Run\n2 Jump\n3 a/b\n"))
    assert "classInd.txt:3:" in message and CURE.search(message)
