"""Where most clips are missing: what the folder holds in their place, and the cure."""

import os
import shutil
from pathlib import Path

import pytest
from dataset_cases import CURE, FILES, refusal

from pipeline.datasets import ucf101
from pipeline.datasets.videos import locate

NAMES = [file.split("/")[1] for file in FILES]


def message(lists, folder: Path) -> str:
    (line,) = refusal(locate, ucf101.read("set", lists()), folder)
    assert "5 of 5" in line or "holds no videos" in line
    return line


def test_clips_one_or_two_folders_deeper(lists, videos):
    folder = videos(*(f"UCF-101/{file}" for file in FILES), "readme.txt")
    said = message(lists, folder)
    assert f"they lie in {folder}/UCF-101; correct sets.set.videos to {folder}/UCF-101" in said
    shutil.move(folder / "UCF-101", folder / "a" / "b")
    said = message(lambda: lists("again"), folder)
    assert f"correct sets.set.videos to {folder}/a/b" in said


def test_the_folder_of_a_class_for_that_of_all(lists, videos):
    folder = videos("UCF/readme/x", *(f"UCF/{file}" for file in FILES)) / "UCF"
    assert f"correct sets.set.videos to {folder}" in message(lists, folder / "readme")


def test_clips_parted_by_train_and_test(lists, videos):
    folder = videos(*(f"{'train' if 'g01' in file else 'test'}/{file}" for file in FILES[1:]))
    said = message(lists, folder)
    assert f"{folder}/train" in said and f"{folder}/test" in said and CURE.search(said)


def test_clips_side_by_side_in_a_folder_of_it(lists, videos):
    folder = videos(*(f"all/{name}" for name in NAMES))
    assert f"{folder}/all without folders of classes" in message(lists, folder)


@pytest.mark.parametrize(
    "archives, command",
    [(["UCF101.rar"], "unrar x"), (["Run.zip", "Jump.zip"], "unzip"), (["a.tar.gz"], "tar -xf")],
)
def test_archives(lists, videos, archives, command):
    said = message(lists, videos(*archives))
    assert command in said and f"{len(archives)} archives" in said


def test_archives_beside_the_lists_of_a_set_in_its_folder(lists, videos):
    assert "unrar x" in message(lists, videos("Run/Run.rar", "Jump/Jump.rar"))


def test_frames_in_place_of_videos(lists, videos):
    folder = videos(*(f"{file.removesuffix('.avi')}/img_00001.jpg" for file in FILES))
    assert "folders of frames" in message(lists, folder)


def test_class_folders_of_other_names(lists, videos):
    folder = videos(
        *(f"{file[:3].lower()}ning/{name}" for file, name in zip(FILES, NAMES, strict=True))
    )
    assert "'running' for class 'Run'" in message(lists, folder)


def test_another_set(lists, videos):
    said = message(lists, videos("brush_hair/a.avi", "cartwheel/b.avi"))
    assert "brush_hair, cartwheel" in said and "(Run, Jump)" in said
    assert "sets.set.videos" in said


def test_other_file_names(lists, videos):
    said = message(lambda: lists("again"), videos("Run/0001.avi", "Jump/0002.avi"))
    assert "Run/0001.avi" in said and CURE.search(said)


def test_an_empty_folder_beside_the_clips(lists, videos):
    folder = videos(*FILES)
    (folder / "empty").mkdir()
    assert f"correct sets.set.videos to {folder}" in message(lists, folder / "empty")


def test_loops_end(lists, videos):
    folder = videos("deep/a/b/c/d/e.avi")
    os.symlink(folder, folder / "deep" / "loop")
    assert "deep" in message(lists, folder)
