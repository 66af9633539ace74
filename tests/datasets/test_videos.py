"""Video files: how clips are matched with them, and what is refused."""

from dataset_cases import CURE, FILES, LISTS, refusal

from pipeline.datasets import ucf101
from pipeline.datasets.videos import locate


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
