"""What is said of a clip, against values worked out by hand."""

import json

import numpy as np
import pytest
from report_cases import BOUND, shard, text_of

from pipeline.errors import PipelineError
from pipeline.report import charts, pictures, sheets
from pipeline.report.clip import find_clip
from pipeline.report.measures import displacement


def test_frames(frames):
    said = text_of(frames, "a b")
    assert "2 of 8 x 6 pixels" in said
    assert "mean 52.5 (red 127.5, green 30.0, blue 0.0), min 0, max 255" in said
    assert "sha256  0123456789abcdef" in said and "Run/a b" in said
    figure = sheets.draw_frames(find_clip(frames, "a b"))
    assert [axes.get_title() for axes in figure.axes] == ["frame 0", "frame 1"]
    assert (figure.axes[1].images[0].get_array() == (255, 60, 0)).all()


def test_flow(flow):
    assert displacement(np.array([0, 128, 255], np.uint8), BOUND).tolist() == [-BOUND, 0, BOUND]
    said = text_of(flow)
    assert "3 of 8 x 6 pixels" in said
    assert "20 px in x and in y; one step is 0.157 px" in said
    assert "mean 10.00 px, max 20.00 px; 99% are within 20.00 px" in said
    assert "6.67 px right, 3.33 px down" in said
    assert "50.00% of displacements are at the bound" in said


def test_groups_mark_the_true_class(groups):
    lines = text_of(groups).splitlines()
    positions = [lines.index(f"position {number}") for number in (0, 2, 4, 6)]
    said = [
        [line.split("  ", 2)[2].strip() for line in lines[start + 1 : start + 4]]
        for start in positions
    ]
    assert said == [
        ["*Jump*, Bow, Run, Sit, Wave", "*Jump*, Bow, Run", "*Jump*"],
        ["Bow, Run, *Jump*, Sit, Wave", "Bow, Run, *Jump*", "[Jump]"],
        ["Bow, Run, Sit, Wave, *Jump*", "Bow, Run, [Jump]", "[Jump]"],
        ["Bow, Run, Sit, Wave, [Jump]", "Bow, Run, [Jump]", "[Jump]"],
    ]
    assert "group of 5 at 25%, group of 3 at 50%, group of 1 at 75% of positions" in " ".join(
        " ".join(lines).split()
    )


def test_groups_of_one_class_more(groups, tmp_path):
    """The network beside learned with `groups.missing: add`: nothing is replaced."""
    record = {"settings": {"groups": {"missing": "add"}}}
    (tmp_path / "co2fi.json").write_text(json.dumps(record))
    lines = text_of(groups).splitlines()
    said = [line.split("  ", 2)[2].strip() for line in lines[-16:] if "group of" in line]
    assert said == [
        *("*Jump*, Bow, Run, Sit, Wave", "*Jump*, Bow, Run", "*Jump*"),
        *("Bow, Run, *Jump*, Sit, Wave", "Bow, Run, *Jump*", "Bow, [Jump]"),
        *("Bow, Run, Sit, Wave, *Jump*", "Bow, Run, Sit, [Jump]", "Bow, [Jump]"),
        *("Bow, Run, Sit, Wave, Yawn, [Jump]", "Bow, Run, Sit, [Jump]", "Bow, [Jump]"),
    ]
    text = " ".join(" ".join(lines).split())
    assert "add: the group has one class more" in text and "or [added]" in text
    assert "added group of 5 at 25%, group of 3 at 50%, group of 1 at 75%" in text


@pytest.mark.parametrize("record", [None, "{", "[]", '{"settings": {}}', '{"settings": 3}'])
def test_groups_without_a_network_beside_are_the_defaults(groups, tmp_path, record):
    if record:
        (tmp_path / "co2fi.json").write_text(record)
    said = " ".join(text_of(groups).split())
    assert "replace: it takes the last one's place; the default, as no network" in said


def test_scores(scores):
    first, second = text_of(scores, "Jump/one"), text_of(scores, "two")
    assert "rank 1 of 6" in first and "rank 6 of 6" in second
    rows = [line.split() for line in second.splitlines()[-6:]]
    assert rows == [
        ["1", "Bow", "0.4000"],
        ["2", "Jump", "0.3000"],
        ["3", "Run", "0.1500"],
        ["4", "Sit", "0.1000"],
        ["5", "Wave", "0.0400"],
        ["6", "Yawn", "0.0100", "<-", "the", "true", "class"],
    ]
    assert ["1", "Jump", "0.5000", "<-", "the", "true", "class"] in [
        line.split() for line in first.splitlines()
    ]


def test_scores_by_trajectories_are_decision_values(decisions):
    text = text_of(decisions)
    assert "rank 2 of 6" in text and "decision value" in text and "instants" not in text
    (bars,) = charts.draw_scores(find_clip(decisions)).axes
    assert bars.get_xlabel() == "decision value"


def test_samples_of_trajectories_and_their_vectors(tmp_path):
    rows = np.zeros((3, 436), np.float32)
    rows[:, 5], rows[:, 6] = [10, 20, 60], [1, 1, 2**0.5]
    items = {"Run/some": [rows], "Run/none": [rows[:0]]}
    with shard(tmp_path / "samples.h5", "samples", items, items) as file:
        some, none = text_of(file, "some"), text_of(file, "none")
        assert (
            "mean 30.0 px, max 60.0 px" in some
            and "1.00: 2, 1.41: 1" in some
            and "trajectories  none" in none
        )
        with pytest.raises(PipelineError, match="there are no trajectories to draw"):
            pictures.draw(find_clip(file, "none"), tmp_path / "out.png")
    items = {"Run/some": [np.array([3, 4], np.float32)], "Run/none": [np.zeros(2, np.float32)]}
    with shard(tmp_path / "fisher.h5", "fisher", items, items) as file:
        assert "5.000" in text_of(file, "some") and "no trajectories" not in text_of(file, "some")
        assert "0.000, the clip has no trajectories" in text_of(file, "none")
        # 16 of 25 lie in one of two values.
        assert "half of the squared norm lies in 50.0% of them" in text_of(file, "some")


def test_features_of_a_network(tmp_path):
    items = {"Run/one": [np.array([[0, 2], [0, 4], [0, 0]], np.float32)]}
    with shard(tmp_path / "features.h5", "features", items, items) as file:
        text = " ".join(text_of(file, "one").split())
        assert "instants 3" in text and "2 each; mean 1, deviation 1.53, 67% are 0" in text
        with pytest.raises(PipelineError, match="no pictures of features"):
            pictures.draw(find_clip(file), tmp_path / "out.png")
