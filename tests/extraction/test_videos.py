"""Which videos are meant by files, folders and lists."""

import os
from pathlib import Path

import pytest
from extraction_cases import settings

from pipeline.errors import PipelineError
from pipeline.extraction.videos import Video, find


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("v/Run/a.avi", "v/Run/b c.MP4", "v/Sit/d.mkv", "v/Sit/notes.txt", "v/.x/e.avi"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()
    return Path("v")


def targets(*given, class_folders=False, **changes):
    return [
        (video.path, video.target)
        for video in find(map(Path, given), settings(**changes), class_folders)
    ]


def test_folders_of_videos_are_kept(folder):
    assert targets("v") == [
        ("v/Run/a.avi", "Run/a"),
        ("v/Run/b c.MP4", "Run/b c"),
        ("v/Sit/d.mkv", "Sit/d"),
    ]


def test_tsn_has_all_clips_side_by_side(folder):
    assert [target for _, target in targets("v", layout="tsn")] == ["a", "b c", "d"]


def test_videos_that_are_named_singly(folder):
    assert targets("v/Run/a.avi") == [("v/Run/a.avi", "a")]
    assert targets("v/Run/a.avi", class_folders=True) == [("v/Run/a.avi", "Run/a")]
    # Where it is missing, the video's own error says so.
    assert targets("none.avi") == [("none.avi", "none")]


def test_a_video_that_is_named_twice_is_one(folder):
    os.symlink("a.avi", "v/Run/link.avi")
    assert targets("v/Run/a.avi", "v/Run/link.avi", "./v/Run/a.avi") == [("v/Run/a.avi", "a")]


def test_lists_from_here_and_from_beside_them(folder):
    Path("here.txt").write_text("\ufeffv/Run/a.avi\r\n\r\nv/Run/b c.MP4\n", encoding="utf-8")
    assert targets("here.txt") == [("v/Run/a.avi", "a"), ("v/Run/b c.MP4", "b c")]
    Path("v/beside.txt").write_text("Sit/d.mkv\nnone.avi")
    assert targets("v/beside.txt") == [("v/Sit/d.mkv", "d"), ("none.avi", "none")]
    assert targets("v/beside.txt", class_folders=True)[0] == ("v/Sit/d.mkv", "Sit/d")


def test_names_that_are_no_text(folder):
    name = os.fsdecode(b"v/Run/\xff\n-.avi")
    Path(name).touch()
    assert (name, os.fsdecode(b"Run/\xff\n-")) in targets("v")


@pytest.mark.parametrize(
    "given, changes, said",
    [
        (["v/Run/a.avi", "other/a.mp4"], {}, "v/Run/a.avi, other/a.mp4: the flow of all of them"),
        (["empty"], {}, "empty: there is no video in this folder"),
        (["empty.txt"], {}, "empty.txt: the list is empty"),
        (["none.txt"], {}, "none.txt: there is no such list"),
        ([".done.avi"], {}, ".done.avi: names that begin with '.'"),
        (["nested"], {}, "its flow would be the folder of that of nested/a/b.avi"),
    ],
)
def test_what_cannot_be(folder, given, changes, said):
    for name in ("nested/a/b.avi", "nested/a.avi", "empty/x.txt", "empty.txt"):
        Path(name).parent.mkdir(exist_ok=True, parents=True)
        Path(name).touch()
    with pytest.raises(PipelineError) as error:
        targets(*given, **changes)
    assert said in str(error.value) and "\n" not in str(error.value)


def test_one_file_a_clip_may_stand_beside_a_folder(folder):
    """'a.h5' is no folder of 'a/b.h5'."""
    for name in ("nested/a/b.avi", "nested/a.avi"):
        Path(name).parent.mkdir(exist_ok=True, parents=True)
        Path(name).touch()
    found = find([Path("nested")], settings(format="h5"), False)
    assert found == [Video("nested/a/b.avi", "a/b.h5"), Video("nested/a.avi", "a.h5")]
