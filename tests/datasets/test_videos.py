"""Video files: how clips are matched with them, and what is refused."""

import errno
import os
import unicodedata
from pathlib import Path

import pytest
from dataset_cases import CURE, FILES, LISTS, refusal

from pipeline.datasets import ucf101
from pipeline.datasets.videos import locate, renamed
from pipeline.errors import PipelineError, listed_in


def test_locate(lists, videos):
    folder = videos(*FILES, "Run/more.avi", "Walk/v_Walk_g01_c01.avi")
    paths, unlisted = locate(ucf101.read("set", lists()), folder)
    assert paths == {file.removesuffix(".avi"): str(folder / file) for file in FILES}
    assert unlisted == ["Run/more.avi", "Walk/v_Walk_g01_c01.avi"]


def test_locate_ignores_case_where_it_must(lists, videos):
    folder = videos(*FILES[1:], "Run/V_RUN_g01_c01.AVI")
    paths, unlisted = locate(ucf101.read("set", lists()), folder)
    assert paths["Run/v_Run_g01_c01"] == str(folder / "Run/V_RUN_g01_c01.AVI") and unlisted == []


def test_locate_prefers_the_exact_name(lists, videos):
    folder = videos(*FILES, "Run/V_Run_g01_c01.avi")
    paths, unlisted = locate(ucf101.read("set", lists()), folder)
    assert paths["Run/v_Run_g01_c01"] == str(folder / FILES[0]) and unlisted == [
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


def clip_set_of(lists, **changed):
    return ucf101.read("set", lists(**changed))


def replaced(videos, *endings):
    """The folder of FILES, the first of which has these endings in place of .avi."""
    first = FILES[0].removesuffix(".avi")
    return videos(*FILES[1:], *(first + ending for ending in endings))


def test_another_ending_is_found_and_counted(lists, videos):
    clip_set, folder = clip_set_of(lists), replaced(videos, ".MP4", ".txt", ".jpg")
    paths, unlisted = locate(clip_set, folder)
    assert paths["Run/v_Run_g01_c01"] == str(folder / "Run/v_Run_g01_c01.MP4")
    assert unlisted == ["Run/v_Run_g01_c01.jpg", "Run/v_Run_g01_c01.txt"]
    assert renamed(clip_set, paths) == ["Run/v_Run_g01_c01"]


def test_exact_names_count_as_before(lists, videos):
    clip_set, folder = clip_set_of(lists), replaced(videos, ".avi", ".mp4")
    paths, unlisted = locate(clip_set, folder)
    assert unlisted == ["Run/v_Run_g01_c01.mp4"] and renamed(clip_set, paths) == []


def test_two_videos_of_one_stem_are_refused(lists, videos):
    (message,) = refusal(locate, clip_set_of(lists), replaced(videos, ".mp4", ".webm"))
    assert "v_Run_g01_c01.mp4" in message and "v_Run_g01_c01.webm" in message
    assert "ending" in message and CURE.search(message)


def test_names_without_ending_in_the_lists(lists, videos):
    train = "Run/v_Run.1 1\nRun/v_Run.2 1\nJump/v_Mr.Jump 2\n"
    folder = videos("Run/v_Run.1.mp4", "Run/v_Run.2.mp4", "Jump/v_Mr.Jump.mp4", *FILES[3:])
    paths, unlisted = locate(clip_set_of(lists, trainlist01=train), folder)
    assert paths["Run/v_Run.1"].endswith("v_Run.1.mp4") and len(paths) == 5 and unlisted == []


NFC, NFD = (unicodedata.normalize(form, "Café/v_é_g01_c01.avi") for form in ("NFC", "NFD"))


@pytest.mark.parametrize("listed_as, on_disk", [(NFC, NFD), (NFD, NFC), (NFC, NFC), (NFD, NFD)])
def test_accents_of_one_or_two_characters_are_the_same(lists, videos, listed_as, on_disk):
    folder = lists(
        classInd=f"1 Run\n2 {NFC[:4]}\n",
        trainlist01=f"{FILES[0]} 1\n{listed_as} 2\n",
        testlist01=FILES[3],
    )
    paths, unlisted = locate(ucf101.read("set", folder), videos(FILES[0], FILES[3], on_disk))
    assert str(tuple(paths.values())).count("Caf") == 1 and unlisted == []
    assert any(path.endswith(on_disk) for path in paths.values())


def test_blanks_at_the_ends_of_names_are_found(lists, videos):
    folder = videos(*FILES[1:], "Run/v_Run_g01_c01.avi ")
    paths, _ = locate(clip_set_of(lists), folder)
    assert paths["Run/v_Run_g01_c01"].endswith(".avi ")


def test_videos_side_by_side_are_found_by_their_names(lists, videos):
    folder = videos(*(file.split("/")[1] for file in FILES), "readme.txt")
    paths, unlisted = locate(clip_set_of(lists), folder)
    assert paths == {file.removesuffix(".avi"): str(folder / file.split("/")[1]) for file in FILES}
    assert unlisted == ["readme.txt"]


def test_a_stray_file_takes_no_missing_clips_place(lists, videos):
    folder = videos(*FILES[1:], FILES[0].split("/")[1])
    (message,) = refusal(locate, clip_set_of(lists), folder)
    assert "1 of 5" in message and FILES[0] in message


def test_side_by_side_a_file_is_not_two_clips(lists, videos):
    lists = lists(trainlist01="Run/a.avi 1\nJump/a.avi 2\n", testlist01="Run/b.avi\nJump/c.avi")
    (message,) = refusal(locate, ucf101.read("set", lists), videos("a.avi", "b.avi", "c.avi"))
    assert "Run/a.avi" in message and "Jump/a.avi" in message and CURE.search(message)


def test_a_flood_of_missing_clips_is_short(lists, videos, tmp_path):
    train = "".join(f"Run/v_Run_g{n}_c01.avi 1\nJump/v_Jump_g{n}_c01.avi 2\n" for n in range(3000))
    test = "Run/v_Run_h01.avi\nJump/v_Jump_h01.avi\n"
    clip_set = clip_set_of(lists, trainlist01=train, testlist01=test)
    with pytest.raises(PipelineError) as caught, listed_in(tmp_path / "problems.txt"):
        locate(clip_set, videos(*test.split()))
    first, last = str(caught.value).splitlines()
    assert "6,000 of 6,002 clips" in first and "and 5,995 more" in first and len(first) < 600
    assert last == f"all of them are listed in {tmp_path / 'problems.txt'}"
    lines = (tmp_path / "problems.txt").read_text().splitlines()
    assert lines[0] == first and sorted(lines[1:]) == sorted(
        line.split()[0] for line in train.splitlines()
    )


def test_what_is_no_file_is_said(lists, videos):
    folder = videos(*FILES[4:])
    (folder / "Run").mkdir()
    (folder / FILES[0]).symlink_to(FILES[0].split("/")[1])
    (folder / FILES[1]).symlink_to("nowhere.avi")
    (folder / FILES[2]).mkdir()
    os.mkfifo(folder / FILES[3])
    lines = refusal(locate, clip_set_of(lists), folder)
    assert len(lines) == 4 and all(CURE.search(line) for line in lines)
    for file, words in zip(
        FILES, ["leads to itself", "what does not exist", "a folder", "a pipe"], strict=False
    ):
        assert any(line.startswith(str(folder / file)) and words in line for line in lines)


def test_a_class_folder_that_is_none(lists, videos):
    folder = videos(FILES[2], FILES[4])
    (folder / "Run").symlink_to("Run")
    (message,) = refusal(locate, clip_set_of(lists), folder)
    assert message.startswith(str(folder / "Run")) and "leads to itself" in message


def test_folders_that_cannot_be_read(lists, videos, monkeypatch):
    folder = videos(*FILES)
    scan = os.scandir

    def refuse(path):
        if Path(path).name == "Run":
            raise PermissionError(errno.EACCES, "Permission denied")
        return scan(path)

    monkeypatch.setattr(os, "scandir", refuse)
    (message,) = refusal(locate, clip_set_of(lists), folder)
    assert message.startswith(f"{folder / 'Run'}: the folder cannot be read (Permission denied)")


def test_what_is_no_folder_of_videos(lists, tmp_path):
    (tmp_path / "file").write_text("text")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "UCF-101" / "Run").mkdir(parents=True)
    clip_set = clip_set_of(lists)
    for name, words in {
        "file": "is a file, not a folder",
        "loop": "leads to itself",
        "ucf101": "did you mean 'UCF-101'?",
    }.items():
        (message,) = refusal(locate, clip_set, tmp_path / name)
        assert words in message and CURE.search(message)
