"""What is said of a video, worked out by hand from scores of few classes."""

from pathlib import Path

import numpy as np
import pytest
from prediction_cases import CLASSES, prediction, window

from pipeline.report import prediction as said


def softmax(values) -> np.ndarray:
    powers = np.exp(np.asarray(values) - np.max(values))
    return powers / powers.sum()


def test_scores_are_fused_by_the_stated_spreads():
    """Spreads of 2 and 4: the motion of 8 counts as much as the appearance of 4."""
    one = prediction([window({"appearance": [4, 0, -4], "motion": [-8, 8, 0]})])
    np.testing.assert_allclose(one.scores["two_stream"], [0, 2, -2])
    np.testing.assert_allclose(one.probabilities["appearance"], softmax([4, 0, -4]))
    # Two weights of 1, and logits of a spread of 3 on average.
    np.testing.assert_allclose(one.probabilities["two_stream"], softmax([0, 3, -3]))
    assert one.ranked("two_stream", 2)[0][0] == "jump"


def test_probabilities_are_taken_as_they_are():
    one = prediction(
        [window({"appearance": [0.5, 0.5, 0], "motion": [0.25, 0.25, 0.5]})],
        rule="paper",
        space="softmax",
    )
    np.testing.assert_allclose(one.probabilities["appearance"], [0.5, 0.5, 0])
    np.testing.assert_allclose(one.scores["two_stream"], [0.75, 0.75, 0.5])
    np.testing.assert_allclose(one.probabilities["two_stream"], [0.375, 0.375, 0.25])
    # Of equal classes the first.
    assert [name for name, _ in one.ranked("two_stream", 3)] == list(CLASSES)


def test_a_video_has_the_mean_of_its_windows():
    parts = [[4, 0, -4], [0, 2, -2], [-4, 4, 0]]
    windows = [
        window({"appearance": values, "motion": values}, 10 * n) for n, values in enumerate(parts)
    ]
    one = prediction(windows)
    np.testing.assert_allclose(one.scores["appearance"], [0, 2, -2])
    assert [name for *_, name, _ in said.runs(one)] == ["run", "jump"]
    (begin, end, _, share), (start, stop, *_) = said.runs(one)
    assert (begin, end, start, stop) == (0, 1, 1, 3)
    fused = np.array([4, 0, -4]) * (1 / 2 + 1 / 4) / 2 * 3
    assert share == pytest.approx(softmax(fused)[0])


def test_lines_of_windows():
    windows = [
        window({"appearance": values, "motion": values}, 10 * n)
        for n, values in enumerate([[9, 0, -9], [9, 0, -9], [-9, 9, 0]])
    ]
    lines = said.lines(prediction(windows), 2, 80)
    assert lines[0] == "clip.avi: 30 frames, 0:03.0, 320 x 240, in 1.5 s"
    assert lines[1] == "two-stream (sum) of six split1"
    assert lines[4] == "each source's own first"
    assert lines[-3] == "over time, in windows of 1.0 s"
    assert lines[-2].split()[:4] == ["0:00.0", "-", "0:02.0", "run"]
    assert lines[-1].split()[:4] == ["0:02.0", "-", "0:03.0", "jump"]


@pytest.mark.parametrize("width", [60, 80, 100])
def test_lines_fit_their_width(width):
    """Also long names of classes, and such with control characters."""
    classes = ["run", "\x1b[31m" + "long " * 30, "\u8dd1\u6b65"]
    one = prediction([window({"appearance": [0, 9, 1], "motion": [0, 9, 1]})], classes=classes)
    lines = said.lines(one, 3, width)
    assert max(map(len, lines)) <= width
    assert not any("\x1b" in line for line in lines)


def test_many_parts_are_cut():
    windows = [
        window({"appearance": values, "motion": values}, 10 * n)
        for n, values in enumerate([[9, 0, 0], [0, 9, 0]] * 40)
    ]
    lines = said.lines(prediction(windows), 1, 80)
    assert lines[-1] == "  .. 50 more parts; --json FILE has them all" and len(lines) < 50


def test_over_time():
    one = prediction(
        [
            window({"appearance": [1, 0, 0], "motion": [0, 1, 0]}, 0, centres=[2, 6]),
            window({"appearance": [1, 0, 0], "motion": [0, 1, 0]}, 10, centres=[3, 5]),
        ]
    )
    seconds, over_time = one.over_time
    assert seconds.tolist() == [0.2, 0.6, 1.3, 1.5]
    assert over_time["two_stream"].shape == (4, 3)
    np.testing.assert_allclose(over_time["appearance"][0], softmax([1, 0, 0]))
    assert said.running(one)[1] == "two_stream"


def test_rows_of_the_table():
    one = prediction([window({"appearance": [4, 0, -4], "motion": [-8, 8, 0]})])
    columns = said.columns(one.trained, 2)
    assert columns[:3] == ["video", "frames", "seconds"]
    assert columns[3:7] == ["class1", "probability1", "class2", "probability2"]
    assert columns[7:] == ["appearance", "motion", "two_stream", "problem"]
    row = said.table_row(one, 2)
    assert set(row) == set(columns)
    assert (row["class1"], row["class2"], row["appearance"]) == ("jump", "run", "run")
    assert row["seconds"] == "1.00" and row["problem"] == ""


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0:00.0"), (7.32, "0:07.3"), (59.99, "0:59.9"), (65, "1:05"), (3725.2, "1:02:05")],
)
def test_clock(seconds, text):
    assert said.clock(seconds) == text


def test_clock_without_tenths():
    assert [said.clock(s, tenths=False) for s in (0, 30.4, 61)] == ["0:00", "0:30", "1:01"]


@pytest.mark.parametrize(
    ("share", "text"),
    [(0, ""), (1, "\u2588" * 4), (0.5, "\u2588" * 2), (1 / 32, "\u258f"), (2, "\u2588" * 4)],
)
def test_bar(share, text):
    assert said.bar(share, 4) == text


def test_names_of_videos_are_shown_on_one_line():
    one = prediction([window({"appearance": [4, 0, -4], "motion": [-8, 8, 0]})])
    one.path = Path("two\nlines.avi")
    assert said.lines(one, 1, 80)[0].startswith("two\\nlines.avi: ")
