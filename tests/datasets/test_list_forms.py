"""Lines of split lists as other programs write them."""

import pytest

from pipeline.datasets.list_forms import FormError, is_comment, is_header, offset, parse

LABELS = {"Run": 1, "Jump": 2, "#tag": 3, "Two words": 4, "{x}": 5}


def one(line: str, *others: str):
    """What the first of several lines says: (file, prefix, label), or the sentence on it."""
    first = parse([line, *others], LABELS)[0]
    return str(first) if isinstance(first, FormError) else tuple(first)


@pytest.mark.parametrize(
    "line, file, label",
    [
        ("Run/a.avi", "Run/a.avi", None),
        ("Run/a.avi 1", "Run/a.avi", 1),
        ("Run/a.avi\t1", "Run/a.avi", 1),
        ("Run/a.avi,1", "Run/a.avi", 1),
        ("Run/a.avi, 1", "Run/a.avi", 1),
        ("Run/a.avi;1", "Run/a.avi", 1),
        ("Run/a.avi,", "Run/a.avi", None),
        ('"Run/a.avi",1', "Run/a.avi", 1),
        ("Run/a.avi 120 0", "Run/a.avi", 0),
        ("Run/a.avi,120,0", "Run/a.avi", 0),
        ("Run/a.avi Run", "Run/a.avi", 1),
        ("Run/a.avi,Jump", "Run/a.avi", 2),
        ("Run/a 120 0", "Run/a", 0),
        ("Run/a", "Run/a", None),
        ("Run/a, b & c 7.avi 1", "Run/a, b & c 7.avi", 1),
        ("Run/a.1 1", "Run/a.1", 1),
        ("Two words/my clip 2.mp4 4", "Two words/my clip 2.mp4", 4),
        ("{x}/{y}.avi 5", "{x}/{y}.avi", 5),
        ("#tag/a.avi 3", "#tag/a.avi", 3),
        ("Run/-a.avi 1", "Run/-a.avi", 1),
        ("Run/.a.avi 1", "Run/.a.avi", 1),
        ("Run/a\\b.avi 1", "Run/a\\b.avi", 1),
        ("Run/a\u2028b.avi 1", "Run/a\u2028b.avi", 1),
        ('Run/"a".avi 1', 'Run/"a".avi', 1),
        ("Walk/a.avi 9", "Walk/a.avi", 9),
    ],
)
def test_forms(line, file, label):
    assert one(line) == (file, "", label)


@pytest.mark.parametrize(
    "line, prefix",
    [
        ("/data/UCF-101/Run/a.avi 1", "data/UCF-101"),
        ("UCF-101/Run/a.avi 1", "UCF-101"),
        ("./Run/a.avi 1", ""),
        ("./UCF-101//Run/a.avi 1", "UCF-101"),
        ("../UCF-101/Run/a.avi 1", "../UCF-101"),
        ("Run\\a.avi 1", ""),
        ("UCF-101\\Run\\a.avi 1", "UCF-101"),
        ("C:\\data\\UCF-101\\Run\\a.avi 1", "C:/data/UCF-101"),
        ("/data/Run/UCF/Run/a.avi 1", "data/Run/UCF"),
    ],
)
def test_folders_before_the_class_are_dropped(line, prefix):
    assert one(line) == ("Run/a.avi", prefix, 1)


@pytest.mark.parametrize(
    "line, words",
    [
        ("a.avi 1", "<class>/<file>"),
        ("/data/frames/v_a 120 0", "<class>/<file>"),
        ("Run/sub/a.avi 1", "<class>/<file>"),
        ("Jump/Run/a.avi 1", "not one alone"),
        ("Run/.. 1", "<class>/<file>"),
        ("../a.avi 1", "<class>/<file>"),
        ("Run/ 1", "<class>/<file>"),
        ("1 Run/a.avi", "label first"),
        ("1,Run/a.avi", "label first"),
        ("Run/a.avi 1 120 0", "three numbers"),
        ("Run/a.avi -1", "'-1'"),
        ("Run/a.avi walking", "'walking'"),
        ("Run/a.avi 0.5", "'0.5'"),
        ("[{'video': 'a.avi'}]", "<class>/<file>"),
    ],
)
def test_other_forms_are_refused(line, words):
    assert words in one(line)


def test_numbers_behind_names_without_ending_count_where_all_lines_have_them():
    assert one("Run/take 2 1", "Run/walk 1") == ("Run/take 2", "", 1)
    assert one("Run/take 2 1", "Run/walk 3 1") == ("Run/take", "", 1)
    assert one("Run/take 2", "Run/walk") == ("Run/take 2", "", None)


def test_numbers_too_long_for_a_label_are_part_of_the_name():
    assert one(f"Run/a {'9' * 5000}", "Run/b")[0] == f"Run/a {'9' * 5000}"


def test_comments():
    assert is_comment("# my split", LABELS) and is_comment("#tags/a.avi", LABELS)
    assert not is_comment("#tag/a.avi 3", LABELS) and not is_comment("Run/#1.avi 1", LABELS)


def test_headers():
    for line in ("path,label", "video_path label", '"file","class"', "path\tframes\tlabel"):
        assert is_header(line)
    for line in ("Run/a.avi 1", "path/label 1", "1 Run"):
        assert not is_header(line)
    with pytest.raises(FormError, match="Kinetics"):
        is_header("label,youtube_id,time_start,time_end,split")


def test_labels_from_0_hold_for_all_labels_or_for_none():
    # Pairs (label, number of the class).
    assert offset({(1, 1), (2, 2)}, 1) == 0
    assert offset({(0, 1), (1, 2)}, 1) == 1
    assert offset({(1, 0), (2, 1)}, 0) == -1
    assert offset({(0, 0), (1, 1)}, 0) == 0
    assert offset({(0, 1)}, 1) == 1
    # One class alone with a wrong label is a mistake.
    assert offset({(1, 2)}, 1) == 0
    assert offset({(0, 1), (2, 2)}, 1) == 0
    assert offset(set(), 1) == 0
