"""Split lists, clip names, shards and the index: official lists, hand-made ones and broken ones."""

import csv
import hashlib
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from pipeline.datasets import clips, hmdb51, index, ucf101
from pipeline.datasets.load import load_set
from pipeline.datasets.videos import locate
from pipeline.errors import PipelineError
from pipeline.video.encode import encode

LISTS = {
    "classInd": "1 Run\n2 Jump\n",
    "trainlist01": "Run/v_Run_g01_c01.avi 1\nRun/v_Run_g01_c02.avi 1\nJump/v_Jump_g01_c01.avi 2\n",
    "testlist01": "Run/v_Run_g02_c01.avi\nJump/v_Jump_g02_c01.avi\n",
}
CURE = re.compile(
    r"[;,] (or )?(put|correct|remove|add|rename|renumber|move|get|delete|keep|replace|fill|make|write) ?"
)


@pytest.fixture
def lists(tmp_path):
    """Writes a folder of split lists: the five clips above, but for the files given."""

    def write(folder="lists", **changed):
        (tmp_path / folder).mkdir()
        for name, text in (LISTS | changed).items():
            content = text.encode() if isinstance(text, str) else text
            (tmp_path / folder / f"{name}.txt").write_bytes(content)
        return tmp_path / folder

    return write


def refusal(function, *arguments) -> list[str]:
    """The lines of the error that `function` must raise."""
    with pytest.raises(PipelineError) as caught:
        function(*arguments)
    return str(caught.value).splitlines()


# The official lists


def test_ucf101_official(shared):
    folder = shared / "official_splits" / "ucfTrainTestlist"
    found = ucf101.read("ucf101", folder)
    assert len(found.clips) == 13320 and found.splits == ["split1", "split2", "split3"]
    counts = {
        split: (len(found.part(split, "train")), len(found.part(split, "test")))
        for split in found.splits
    }
    assert counts == {"split1": (9537, 3783), "split2": (9586, 3734), "split3": (9624, 3696)}
    assert len(found.classes) == 101 and (found.classes[0], found.classes[-1]) == (
        "ApplyEyeMakeup",
        "YoYo",
    )
    groups = Counter(group.split("/")[0] for group in {clip.group for clip in found.clips.values()})
    assert set(groups.values()) == {25}  # the paper of UCF101: 25 groups a class
    for number in (1, 2, 3):
        for line in (folder / f"trainlist0{number}.txt").read_text().splitlines():
            file, label = line.split()
            clip = found.clips[file.removesuffix(".avi")]
            assert (
                clip.splits[f"split{number}"] == "train"
                and found.classes[int(label) - 1] == clip.class_name
            )


def test_hmdb51_official(shared):
    folder = shared / "official_splits" / "testTrainMulti_7030_splits"
    found = hmdb51.read("hmdb51", folder)
    assert (
        len(found.clips) == 6766
        and len(found.classes) == 51
        and found.classes == sorted(found.classes)
    )
    assert found.splits == ["split1", "split2", "split3"]
    used = {"0": None, "1": "train", "2": "test"}
    for split in found.splits:
        assert (len(found.part(split, "train")), len(found.part(split, "test"))) == (3570, 1530)
        for path in folder.glob(f"*_test_{split}.txt"):
            for line in path.read_text().splitlines():
                file, flag = line.split()
                clip = found.clips[
                    f"{path.name.removesuffix(f'_test_{split}.txt')}/{file.removesuffix('.avi')}"
                ]
                assert clip.splits.get(split) == used[flag]


def test_hmdb51_groups_are_source_videos(tmp_path):
    names = [
        "a_(b)_climb_f_cm_np1_le_med_0",
        "a_(b)_climb_u_nm_np1_fr_goo_12",
        "a_climb_f_cm_np1_le_med_0",
        "odd",
    ]
    lines = "".join(f"{name}.avi {flag} \r\n" for name, flag in zip(names, "1122", strict=True))
    (tmp_path / "climb_test_split1.txt").write_text(lines)
    found = hmdb51.read("hmdb51", tmp_path)
    assert [found.clips[f"climb/{name}"].group for name in names[:3]] == [
        "climb/a_(b)",
        "climb/a_(b)",
        "climb/a",
    ]
    assert len({clip.group for clip in found.clips.values()}) == 3


@pytest.mark.parametrize("line", ["a.avi 3", "a.avi", "a.avi one", "climb/a.avi 1", "1"])
def test_hmdb51_malformed_line(tmp_path, line):
    path = tmp_path / "climb_test_split1.txt"
    path.write_text(f"b.avi 1\n{line}\n")
    (message,) = refusal(hmdb51.read, "hmdb51", tmp_path)
    assert message.startswith(f"{path}:2: ") and CURE.search(message)


def test_hmdb51_lists_missing(tmp_path):
    (message,) = refusal(hmdb51.read, "hmdb51", tmp_path)
    assert str(tmp_path) in message and "testTrainMulti_7030_splits" in message
    for name in ("climb_test_split1", "golf_test_split1", "climb_test_split2"):
        (tmp_path / f"{name}.txt").write_text("a.avi 1\nb.avi 2\n")
    (message,) = refusal(hmdb51.read, "hmdb51", tmp_path)
    assert (
        "split2" in message
        and "golf" in message
        and "climb" not in message.replace(str(tmp_path), "")
    )


@pytest.mark.parametrize(
    "name, content",
    [
        ("climb_test_split1 (1)", b"a.avi 1\n"),
        ("climb_test_split2", "caf\u00e9.avi 1\n".encode("latin-1")),
    ],
)
def test_hmdb51_odd_files_are_named(tmp_path, name, content):
    (tmp_path / "climb_test_split1.txt").write_text("a.avi 1\nb.avi 2\n")
    (tmp_path / f"{name}.txt").write_bytes(content)
    (message,) = refusal(hmdb51.read, "hmdb51", tmp_path)
    assert message.startswith(str(tmp_path / f"{name}.txt")) and CURE.search(message)


def test_class_is_the_folder(shared):
    found = ucf101.read("ucf101", shared / "official_splits" / "ucfTrainTestlist")
    odd = [clip for clip in found.clips.values() if "/v_HandStandPushups_" in clip.id]
    assert len(odd) > 100 and {clip.class_name for clip in odd} == {"HandstandPushups"}
    assert "HandstandPushups" in found.classes and "HandStandPushups" not in found.classes


def test_weizmann_actors_are_groups(shared):
    folder = shared / "weizmann"
    settings = {
        "format": "ucf101",
        "lists": str(folder / "splits"),
        "group": "^([a-z]+)_",
        "counts": {f"split{number}": [50, 20] for number in (1, 2, 3)},
    }
    found = load_set("weizmann", settings)
    assert len(found.clips) == 70 and len(found.classes) == 10
    actors = {clip.group.split("/")[1] for clip in found.clips.values()}
    assert actors == {"daria", "denis", "eli", "ido", "lena", "lyova", "moshe"}
    for split, tested in {
        "split1": {"daria", "denis"},
        "split2": {"eli", "ido"},
        "split3": {"lena", "lyova"},
    }.items():
        assert {clip.group.split("/")[1] for clip in found.part(split, "test")} == tested
    paths, extra = locate(found, folder / "videos")
    assert len(paths) == 70 and extra == []


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


# What lists may look like


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


def test_digest_follows_clips_and_labels(lists):
    swapped = {
        "classInd": "1 Jump\n2 Run\n",
        "trainlist01": re.sub(r" (\d)", lambda m: f" {3 - int(m[1])}", LISTS["trainlist01"]),
    }
    fewer = {"trainlist01": LISTS["trainlist01"].replace("Run/v_Run_g01_c02.avi 1\n", "")}
    other = {"trainlist01": LISTS["trainlist01"].replace("Jump_g01_c01", "Jump_g01_c03")}
    changes = [{}, swapped, fewer, other]
    read = [
        ucf101.read("set", lists(str(number), **changed)) for number, changed in enumerate(changes)
    ]
    assert len({clip_set.digest("split1", "train") for clip_set in read}) == 4
    tests = [clip_set.digest("split1", "test") for clip_set in read]
    assert tests[0] == tests[2] == tests[3] != tests[1]


def test_labels_may_be_set_off_by_any_blank(lists):
    tabs = LISTS["trainlist01"].replace(" ", "\t")
    assert ucf101.read("set", lists(trainlist01=tabs)) == ucf101.read("set", lists("plain"))


def test_names_with_blanks_and_without_endings(lists):
    train = "Run/a run_g01_c01.avi 1\nRun/b_g01_c01 1\nJump/c 2.avi 2\n"
    found = ucf101.read("set", lists(trainlist01=train))
    files = {clip.file for clip in found.part("split1", "train")}
    assert files == {"Run/a run_g01_c01.avi", "Run/b_g01_c01", "Jump/c 2.avi"}
    assert (
        found.clips["Run/b_g01_c01"].group == "Run/g01"
        and found.clips["Jump/c 2"].group == "Jump/c 2.avi"
    )


def test_bracket_that_takes_no_part_makes_a_group_of_its_own(lists):
    found = ucf101.read("set", lists(), r"^v_(?:Walk_(g\d+)|Run|Jump)")
    assert len({clip.group for clip in found.clips.values()}) == 5


@pytest.mark.parametrize("pattern", ["(", "(?:g01)", "g01"])
def test_useless_group_pattern_is_refused(lists, pattern):
    (message,) = refusal(ucf101.read, "set", lists(), pattern)
    assert "group" in message and pattern in message


# Lists that are wrong

WRONG = {  # what is wrong: (the lists, what each line of the error must hold)
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
    "class numbers from 0": ({"classInd": "0 Run\n1 Jump\n"}, [["classInd.txt"]]),
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


def test_clip_on_both_sides(lists):
    lines = refusal(
        ucf101.read, "set", lists(testlist01="Run/v_Run_g01_c01.avi\nJump/v_Jump_g02_c01.avi\n")
    )
    assert any(
        "Run/v_Run_g01_c01.avi" in line and "both train and test of split1" in line
        for line in lines
    )
    assert all(CURE.search(line) for line in lines)


def test_every_problem_is_named_at_once(lists):
    test = "".join(
        f"Run/v_Run_g01_c{number:02d}.avi\nSwim{number}/a.avi\n" for number in range(3, 6)
    )
    lines = refusal(ucf101.read, "set", lists(testlist01=test))
    assert all(any(f"'Swim{number}/a.avi'" in line for line in lines) for number in range(3, 6))
    assert any("Run/g01" in line for line in lines)


@pytest.mark.parametrize("name", LISTS)
def test_missing_list(lists, name):
    folder = lists()
    (folder / f"{name}.txt").unlink()
    (message,) = refusal(ucf101.read, "set", folder)
    assert str(folder) in message and f"{name}.txt" in message and CURE.search(message)


# Shards


@pytest.mark.parametrize(
    "read, folder, count",
    [(ucf101.read, "ucfTrainTestlist", 100), (hmdb51.read, "testTrainMulti_7030_splits", 50)],
)
def test_shards_are_even_and_keep_groups_together(shared, read, folder, count):
    found = read("set", shared / "official_splits" / folder)
    shards = found.shards(count)
    sizes = [len(held) for held in shards.values()]
    mean = len(found.clips) / count
    assert list(shards) == [f"{number:03d}" for number in range(count)]
    assert sum(sizes) == len(found.clips) and max(sizes) < 2 * mean and min(sizes) > mean / 2
    places = {(clip.group, shard) for shard, held in shards.items() for clip in held}
    assert len(places) == len({clip.group for clip in found.clips.values()})


def test_new_clips_leave_the_others_in_their_shards(lists):
    def places(clip_set):
        return {clip.id: shard for shard, held in clip_set.shards(5).items() for clip in held}

    before = places(ucf101.read("set", lists()))
    more = LISTS["trainlist01"] + "".join(
        f"Run/v_Run_g{number:02d}_c01.avi 1\n" for number in range(3, 40)
    )
    after = places(ucf101.read("set", lists("more", trainlist01=more)))
    assert len(after) == len(before) + 37 and before.items() <= after.items()
    assert set(after.values()) == {f"{number:03d}" for number in range(5)}


# Where the files lie


@pytest.fixture
def videos(tmp_path):
    """Makes empty files under a folder of videos."""

    def make(*files):
        for file in files:
            path = tmp_path / "videos" / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        return tmp_path / "videos"

    return make


FILES = [
    line.split()[0] for name in ("trainlist01", "testlist01") for line in LISTS[name].splitlines()
]


def test_locate(lists, videos):
    folder = videos(*FILES, "Run/more.avi", "Walk/v_Walk_g01_c01.avi")
    found, extra = locate(ucf101.read("set", lists()), folder)
    assert found == {file.removesuffix(".avi"): str(folder / file) for file in FILES}
    assert extra == ["Run/more.avi", "Walk/v_Walk_g01_c01.avi"]


def test_locate_ignores_case_where_it_must(lists, videos):
    folder = videos(*FILES[1:], "Run/V_RUN_g01_c01.AVI")
    found, extra = locate(ucf101.read("set", lists()), folder)
    assert found["Run/v_Run_g01_c01"] == str(folder / "Run/V_RUN_g01_c01.AVI") and extra == []


def test_locate_prefers_the_exact_name(lists, videos):
    folder = videos(*FILES, "Run/V_Run_g01_c01.avi")
    found, extra = locate(ucf101.read("set", lists()), folder)
    assert found["Run/v_Run_g01_c01"] == str(folder / FILES[0]) and extra == [
        "Run/V_Run_g01_c01.avi"
    ]


def test_locate_refuses_ambiguous_names(lists, videos):
    folder = videos(*FILES[1:], "Run/V_Run_g01_c01.avi", "Run/v_RUN_g01_c01.avi")
    (message,) = refusal(locate, ucf101.read("set", lists()), folder)
    assert (
        str(folder) in message and "V_Run_g01_c01.avi" in message and "v_RUN_g01_c01.avi" in message
    )
    assert CURE.search(message)


def test_locate_gives_no_file_to_two_clips(lists, videos):
    train = LISTS["trainlist01"] + "Run/V_RUN_g01_c01.avi 1\n"
    (message,) = refusal(locate, ucf101.read("set", lists(trainlist01=train)), videos(*FILES))
    assert "Run/V_RUN_g01_c01.avi" in message


def test_locate_names_all_missing_clips(lists, videos):
    folder = videos(*FILES[2:])
    (message,) = refusal(locate, ucf101.read("set", lists()), folder)
    assert (
        str(folder) in message
        and "2 of 5" in message
        and FILES[0] in message
        and FILES[1] in message
    )
    assert FILES[2] not in message and CURE.search(message)


def test_locate_needs_a_folder_with_videos(lists, videos, tmp_path):
    clip_set = ucf101.read("set", lists())
    for folder in (tmp_path / "none", tmp_path / "empty", tmp_path / "hollow"):
        (tmp_path / "empty").mkdir(exist_ok=True)
        (tmp_path / "hollow" / "Run").mkdir(parents=True, exist_ok=True)
        (message,) = refusal(locate, clip_set, folder)
        assert (
            message.startswith(str(folder))
            and "sets.set.videos" in message
            and CURE.search(message)
        )


# The index


def frames(count: int) -> np.ndarray:
    return (
        np.repeat(np.arange(count, dtype=np.uint8)[:, None, None, None] * 9, 3, axis=3)
        .repeat(24, 1)
        .repeat(32, 2)
    )


@pytest.fixture
def small_set(lists, videos):
    """A set of five clips of 2 .. 6 frames, and where they lie."""
    folder = videos(*FILES)
    for count, file in enumerate(FILES, start=2):
        encode(folder / file, frames(count), 25)
    clip_set = ucf101.read("set", lists())
    return clip_set, locate(clip_set, folder)[0]


def examined(clip_set, paths, accept_damaged=(), workers=1):
    shards = clip_set.shards(3)
    return {
        shard: index.examine(held, paths, list(accept_damaged), workers)
        for shard, held in shards.items()
    }


def test_index_counts_frames_by_decoding(small_set, tmp_path):
    clip_set, paths = small_set
    rows = index.merge(
        clip_set, list(clip_set.clips.values()), examined(clip_set, paths, workers=2)
    )
    assert [row["clip"] for row in rows] == sorted(clip_set.clips)
    for count, file in enumerate(FILES, start=2):
        row = next(row for row in rows if row["clip"] == file.removesuffix(".avi"))
        content = (tmp_path / "videos" / file).read_bytes()
        assert (row["frames"], row["width"], row["height"]) == (count, 32, 24)
        assert (
            hashlib.sha256(content).hexdigest().startswith(row["sha256"])
            and len(row["sha256"]) == 16
        )
        assert (row["label"], row["class"]) == {"Run": (0, "Run"), "Jump": (1, "Jump")}[
            file.split("/")[0]
        ]
        assert row["shard"] == clips.shard_of(row["group"], 3)
    assert [row["split1"] for row in rows] == ["train", "test", "train", "train", "test"]
    assert index.class_names(rows) == ["Run", "Jump"]


def test_index_names_every_broken_clip_at_once(small_set):
    clip_set, paths = small_set
    broken = ["Run/v_Run_g01_c01", "Run/v_Run_g01_c02", "Jump/v_Jump_g02_c01"]
    contents = [b"", b"no video", Path(paths[broken[2]]).read_bytes()[:-200]]
    for clip_id, content in zip(broken, contents, strict=True):
        Path(paths[clip_id]).write_bytes(content)
    lines = refusal(index.merge, clip_set, list(clip_set.clips.values()), examined(clip_set, paths))
    assert len(lines) == 3 and all(
        any(line.startswith(paths[clip_id]) for line in lines) for clip_id in broken
    )
    rows = [
        row for rows in examined(clip_set, paths, accept_damaged=broken).values() for row in rows
    ]
    assert {row["clip"] for row in rows if row["problem"]} == set(broken[:2])


def test_rows_must_number_the_classes_of_a_model(small_set):
    rows = index.merge(small_set[0], list(small_set[0].clips.values()), examined(*small_set))
    index.check_classes(rows, ["Run", "Jump"])
    for classes in (["Jump", "Run"], ["Run"], ["Run", "jump"]):
        with pytest.raises(PipelineError, match="label"):
            index.check_classes(rows, classes)


def test_table_round_trip(tmp_path):
    ids = ['Run/a, "b"; c', "Run/\u6f22 '%s'", "Jump/#1"]
    rows = [
        {
            "clip": clip_id,
            "class": "Run",
            "label": 0,
            "group": "Run/g",
            "shard": "007",
            "path": f"/v/{clip_id}.avi",
            "sha256": "0123456789012345",
            "frames": 5,
            "width": 32,
            "height": 24,
            "split1": "train",
        }
        for clip_id in ids
    ]
    index.write(tmp_path / "index.csv", rows, [*index.COLUMNS, "split1", "split2"])
    assert index.read(tmp_path / "index.csv") == [row | {"split2": ""} for row in rows]
    assert [path.name for path in tmp_path.iterdir()] == ["index.csv"]
    with open(tmp_path / "index.csv", newline="", encoding="utf-8") as file:
        assert next(csv.reader(file)) == [*index.COLUMNS, "split1", "split2"]


@pytest.mark.parametrize("content", [b"", b"a,b\n1,2\n", b"clip,class\n", b"\xff\xfe\x00\x01"])
def test_foreign_table_is_refused(tmp_path, content):
    path = tmp_path / "index.csv"
    path.write_bytes(content)
    (message,) = refusal(index.read, path)
    assert message.startswith(str(path)) and CURE.search(message)
