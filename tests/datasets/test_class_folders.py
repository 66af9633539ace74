"""Videos by class, in folders of all kinds."""

import os
import unicodedata

import pytest

from pipeline.datasets import class_folders
from pipeline.errors import PipelineError


def lay(folder, *files: str):
    for file in files:
        path = folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(file)
    return folder


def test_videos_are_told_by_class(tmp_path):
    """Endings in any case; no resource forks, subtitles, folders without videos."""
    lay(tmp_path, "Run/b.AVI", "Run/a.mp4", "Run/._a.mp4", "Run/a.srt", "Run/README")
    lay(tmp_path, "Walk/x.y.MoV", "Walk/deep/z.avi", "notes/list.txt", ".git/a.avi", "top.txt")
    found = class_folders.find(tmp_path)
    assert found.files == {"Run": ["a.mp4", "b.AVI"], "Walk": ["x.y.MoV"]}
    assert found.deeper == ["Walk/deep/z.avi"] and found.empty == ["notes"]
    assert found.others == {".srt": 1, "": 1, ".txt": 1}


def test_names_are_as_lists_have_them(tmp_path):
    """In Unicode's composed form, and classes without blanks at their ends."""
    lay(tmp_path, unicodedata.normalize("NFD", "Café/é 1.avi"), 'Run /it\'s {1} "2".avi')
    found = class_folders.find(tmp_path)
    assert found.files == {"Café": ["é 1.avi"], "Run": ['it\'s {1} "2".avi']}


def test_links_to_folders_are_classes(tmp_path):
    lay(tmp_path, "there/Run/a.avi", "here/Walk/b.avi")
    os.symlink(tmp_path / "there/Run", tmp_path / "here/Run")
    assert class_folders.find(tmp_path / "here").files == {"Run": ["a.avi"], "Walk": ["b.avi"]}


@pytest.mark.parametrize(
    "files, words",
    [
        (["a.avi", "b.avi"], "2 videos lie side by side in it .a.avi, b.avi.*each class"),
        (["train/Run/a.avi", "test/Run/b.avi"], "two folders deep.*test, .*train"),
        (["a.rar", "b.rar"], "archives and no videos.*unrar x"),
        (["Run/1.jpg", "Run/2.png"], "pictures and no videos"),
        (["Run/a.txt"], "no folder of a class with a video in it"),
        ([], "no folder of a class with a video in it"),
        (["Run/a.avi", "Run/a.mp4"], r"\['a.avi', 'a.mp4'\] differ only in their ending"),
        (["Run/a\nb.avi"], r"'a\\nb.avi' holds a line break"),
        (["Run/a.avi", "Run /b.avi"], r"\['Run', 'Run '\] are one name"),
    ],
)
def test_what_cannot_be_split_is_one_sentence(tmp_path, files, words):
    lay(tmp_path, *files)
    with pytest.raises(PipelineError, match=words):
        class_folders.find(tmp_path)


def test_one_name_in_two_unicode_forms_is_refused(tmp_path):
    lay(tmp_path, *(f"Run/{unicodedata.normalize(form, 'é')}.avi" for form in ("NFC", "NFD")))
    with pytest.raises(PipelineError, match="Unicode form"):
        class_folders.find(tmp_path)


def test_names_that_are_no_text_are_refused(tmp_path):
    (tmp_path / "Run").mkdir()
    open(os.fsencode(tmp_path / "Run") + b"/\xff.avi", "w").close()
    with pytest.raises(PipelineError, match="no UTF-8"):
        class_folders.find(tmp_path)


def test_missing_folders_and_files_are_told_apart(tmp_path):
    with pytest.raises(PipelineError, match="no such folder"):
        class_folders.find(tmp_path / "none")
    lay(tmp_path, "file")
    with pytest.raises(PipelineError, match="this is a file"):
        class_folders.find(tmp_path / "file")
