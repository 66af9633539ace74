"""Examined clips joined to tables: bad ones refused, or left out where enough is left."""

import pytest
from dataset_cases import refusal

from pipeline import files
from pipeline.datasets import examine
from pipeline.datasets.clips import Clip, ClipSet
from pipeline.datasets.examine import bad_clips, merge, missing_rows, require_enough
from pipeline.errors import MachineError, PipelineError

# Two classes, two train clips and one test clip of each.
FILES = {
    f"{name}/{number}": "test" if number == 3 else "train" for name in "AB" for number in (1, 2, 3)
}


@pytest.fixture
def clip_set() -> ClipSet:
    clips = {
        name: Clip(name, f"{name}.avi", f"{name[0]}/g{name[2]}", {"split1": subset})
        for name, subset in FILES.items()
    }
    return ClipSet("mini", ["A", "B"], clips, ["split1"])


def table(*bad: str) -> dict[str, list[dict]]:
    """One shard of all clips, some of them bad."""
    return {
        "000": [
            {
                "clip": name,
                "path": f"{name}.avi",
                "sha256": f"{number:016x}",
                "problem": f"{name}.avi: empty" if name in bad else "",
            }
            for number, name in enumerate(FILES)
        ]
    }


def merged(clip_set: ClipSet, *bad: str, skip: bool) -> list[str]:
    rows = merge(clip_set, list(clip_set.clips.values()), table(*bad), skip)
    return [row["clip"] for row in rows]


def test_bad_clips_are_refused_or_left_out(clip_set):
    lines = refusal(merge, clip_set, list(clip_set.clips.values()), table("A/1", "B/3"))
    assert lines == ["A/1.avi: empty", "B/3.avi: empty"]
    assert merged(clip_set, "A/1", "B/3", skip=True) == ["A/2", "A/3", "B/1", "B/2"]
    assert merged(clip_set, skip=True) == merged(clip_set, skip=False) == list(FILES)


def test_labels_stay_when_clips_are_left_out(clip_set):
    rows = merge(clip_set, list(clip_set.clips.values()), table("A/1", "A/2"), skip=True)
    assert {row["class"]: row["label"] for row in rows} == {"A": 0, "B": 1}
    assert [row["split1"] for row in rows] == ["test", "train", "train", "test"]


def test_a_clip_that_was_not_examined_is_refused_in_any_case(clip_set):
    tables = table()
    tables["000"].pop()
    for skip in (False, True):
        with pytest.raises(PipelineError, match="clip 'B/3' was not examined"):
            merge(clip_set, list(clip_set.clips.values()), tables, skip)


def test_bad_clips_are_named_with_their_reasons(clip_set):
    clips = list(clip_set.clips.values())
    assert bad_clips(clips, table("B/1")) == {"B/1": "B/1.avi: empty"}
    assert bad_clips(clips[:2], table("B/1")) == bad_clips(clips, table()) == {}


@pytest.mark.parametrize(
    "subset, bad, words",
    [
        ("train", [], None),
        ("train", ["A/1", "B/2", "A/3", "B/3"], None),
        ("train", ["A/1", "A/2"], r"split1 has no train clip of A left .* .A/1, A/2."),
        ("train", ["A/1", "A/2", "B/1", "B/2"], r"no train clip left .* .A/1, A/2, B/1, B/2."),
        # A class without test clips counts in nothing, as where the lists have none.
        ("test", ["A/3", "A/1", "A/2"], None),
        ("test", ["A/3", "B/3"], r"split1 has no test clip left .* .A/3, B/3."),
    ],
)
def test_enough_must_be_left(clip_set, subset, bad, words):
    if words is None:
        return require_enough(clip_set, "split1", subset, dict.fromkeys(bad, "empty"))
    with pytest.raises(PipelineError, match=words):
        require_enough(clip_set, "split1", subset, dict.fromkeys(bad, "empty"))


def test_clips_without_a_video_are_bad(clip_set):
    clips = list(clip_set.clips.values())
    paths = {name: f"v/{name}.avi" for name in FILES if name != "A/2"}
    (row,) = missing_rows(clips, paths)
    assert row["clip"] == "A/2" and row["problem"] == "A/2.avi: there is no such video"
    assert missing_rows(clips, dict.fromkeys(FILES, "v")) == []


def test_a_clip_that_changes_while_it_is_examined_has_no_row(clip_set, tmp_path, monkeypatch):
    """Its frames would be of one file, its digest of another."""
    path = tmp_path / "1.avi"
    path.write_text("one video")

    def replaces(*_):
        path.write_text("other video")
        return {"frames": 2, "width": 32, "height": 24}

    monkeypatch.setattr(examine, "probe", replaces)
    clip = clip_set.clips["A/1"]
    with pytest.raises(MachineError, match="1.avi: the video changed while it was examined"):
        examine.examine([clip], {clip.id: str(path)}, [])
    monkeypatch.setattr(examine, "probe", lambda *_: {"frames": 2, "width": 32, "height": 24})
    (row,) = examine.examine([clip], {clip.id: str(path)}, [])
    assert row["problem"] == "" and row["sha256"] == files.digest(path)


def test_bad_clips_are_known_by_content(clip_set, tmp_path, monkeypatch):
    """So that a copy of them elsewhere is not examined again."""
    path, clip = tmp_path / "1.avi", clip_set.clips["A/1"]
    path.write_bytes(b"")
    (row,) = examine.examine([clip], {clip.id: str(path)}, [])
    assert row["problem"] and row["sha256"] == files.digest(path)

    def replaces(*_):
        path.write_text("a good video")
        raise PipelineError("cut short")

    monkeypatch.setattr(examine, "probe", replaces)
    (row,) = examine.examine([clip], {clip.id: str(path)}, [])
    # What is wrong with one file must not pass for what is wrong with the other.
    assert row["problem"] == "cut short" and not row.get("sha256")
