"""HMDB51's split lists: the official ones, hand-made ones and broken ones."""

import pytest
from dataset_cases import CURE, refusal

from pipeline.datasets import hmdb51


def test_hmdb51_official(shared):
    folder = shared / "official_splits" / "testTrainMulti_7030_splits"
    clip_set = hmdb51.read("hmdb51", folder)
    assert (
        len(clip_set.clips) == 6766
        and len(clip_set.classes) == 51
        and clip_set.classes == sorted(clip_set.classes)
    )
    assert clip_set.splits == ["split1", "split2", "split3"]
    used = {"0": None, "1": "train", "2": "test"}
    for split in clip_set.splits:
        assert (len(clip_set.subset(split, "train")), len(clip_set.subset(split, "test"))) == (
            3570,
            1530,
        )
        for path in folder.glob(f"*_test_{split}.txt"):
            for line in path.read_text().splitlines():
                file, flag = line.split()
                clip = clip_set.clips[
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
    clip_set = hmdb51.read("hmdb51", tmp_path)
    assert [clip_set.clips[f"climb/{name}"].group for name in names[:3]] == [
        "climb/a_(b)",
        "climb/a_(b)",
        "climb/a",
    ]
    assert len({clip.group for clip in clip_set.clips.values()}) == 3


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


def test_lists_as_other_programs_write_them(tmp_path):
    """A mark at the start, tabs, CRLF, names with '#', and files that macOS adds."""
    text = "#1_a_climb_u_cm_np1_fr_med_0.avi\t1\r\nb c.avi,2\r\nd.avi 0  \r\n"
    (tmp_path / "climb_test_split1.txt").write_bytes(text.encode("utf-8-sig"))
    (tmp_path / "._climb_test_split1.txt").write_bytes(b"\x00\x05\x16\x07")
    clip_set = hmdb51.read("hmdb51", tmp_path)
    assert {clip.file: clip.splits for clip in clip_set.clips.values()} == {
        "climb/#1_a_climb_u_cm_np1_fr_med_0.avi": {"split1": "train"},
        "climb/b c.avi": {"split1": "test"},
        "climb/d.avi": {},
    }


def test_every_malformed_line_of_every_list_is_named(tmp_path):
    for name in ("climb", "golf"):
        (tmp_path / f"{name}_test_split1.txt").write_text("a.avi 1\nb.avi\nc.avi 2\nd.avi 7\n")
    lines = refusal(hmdb51.read, "hmdb51", tmp_path)
    assert [line.partition(": ")[0] for line in lines] == [
        f"{tmp_path}/{name}_test_split1.txt:{number}"
        for name in ("climb", "golf")
        for number in (2, 4)
    ]


def test_two_lists_of_one_split(tmp_path):
    for number in ("1", "01"):
        (tmp_path / f"climb_test_split{number}.txt").write_text("a.avi 1\nb.avi 2\n")
    (message,) = refusal(hmdb51.read, "hmdb51", tmp_path)
    assert "two lists of climb" in message and CURE.search(message)
