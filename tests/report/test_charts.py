"""Charts of groups and of scores."""

import json

import numpy as np
from report_cases import CLASSES, text_of

from pipeline.datasets import index
from pipeline.report import charts, inspect
from pipeline.report.clip import find_clip
from pipeline.storage import writer


def test_groups_chart_shows_the_forced_positions(groups):
    from matplotlib.colors import to_rgb

    figure = charts.draw_groups(find_clip(groups))
    chart, strip = figure.axes
    forced = np.all(np.isclose(strip.images[0].get_array(), to_rgb(charts.FORCED)), axis=-1)
    assert forced.astype(int).tolist() == [[0, 0, 0, 1], [0, 0, 1, 1], [0, 1, 1, 1]]
    true = np.all(np.isclose(chart.images[0].get_array(), to_rgb(charts.TRUE)), axis=-1)
    assert np.argwhere(true).tolist() == [[0, 0], [2, 1], [4, 2]]
    # The true class is framed, too.
    assert sorted(patch.get_xy() for patch in chart.patches) == [
        (-1, 0.5),
        (1, 2.5),
        (3, 4.5),
    ]
    # Positions 0, 2, 4 and 6 are 2 wide.
    assert chart.images[0].get_extent()[:2] == [-1, 7]
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert names[0] == "Jump (true)" and set(names[1:-1]) == set(CLASSES) - {"Jump"}


def test_groups_chart_says_what_happens_to_the_true_class(groups, tmp_path):
    title = charts.draw_groups(find_clip(groups)).axes[1].get_title()
    assert title.endswith("or forced in for the last (dark)")
    record = {"settings": {"groups": {"missing": "add"}}}
    (tmp_path / "co2fi.json").write_text(json.dumps(record))
    strip = charts.draw_groups(find_clip(groups)).axes[1]
    assert strip.get_title().endswith("or added as one more (dark)")
    assert strip.get_yticklabels()[0].get_text() == "group of 5, 25% added"


def test_scores_of_ten_crops(tmp_path):
    """Ten times two instants: the chart shows each instant's mean over the crops."""
    rng = np.random.default_rng(0)
    # (clips, crops, instants, classes)
    probabilities = rng.dirichlet(np.ones(6), (1, 10, 2))
    settings = {
        "scores": {"space": "softmax", "crops": "ten"},
        "period": {"count": 1, "instants": 2},
    }
    with writer.create(tmp_path / "ten.h5", "scores", settings, "c0de", source="motion") as file:
        file["clips"], file["labels"], file["classes"] = ["Jump/one"], np.array([1]), CLASSES
        file["logits"] = np.log(probabilities).reshape(1, 20, 6)
        file["scores"] = probabilities.mean(axis=(1, 2))
    with inspect.open_file(tmp_path / "ten.h5") as file:
        text, clip = text_of(file), find_clip(file)
        assert "2 in each of 10 crops" in text
        chart = charts.draw_scores(clip).axes[1]
        order = np.argsort(-probabilities.mean(axis=(0, 1, 2)))
        np.testing.assert_allclose(
            chart.collections[0].get_array(), probabilities[0].mean(axis=0)[:, order].T, atol=1e-6
        )
        assert chart.get_xlabel() == "test instant, 1 periods of 2"


def test_scores_of_snippets_are_not_divided_into_periods(tmp_path):
    """Two snippets are as many as the instants of all periods."""
    settings = {
        "scores": {"space": "logits", "crops": "centre", "snippets": 2},
        "period": {"count": 1, "instants": 2},
    }
    with writer.create(tmp_path / "two.h5", "scores", settings, "c0de", source="motion") as file:
        file["clips"], file["labels"], file["classes"] = ["Jump/one"], np.array([1]), CLASSES
        file["logits"] = np.zeros((1, 2, 6))
        file["scores"] = np.zeros((1, 6))
    with inspect.open_file(tmp_path / "two.h5") as file:
        chart = charts.draw_scores(find_clip(file)).axes[1]
        assert chart.get_xlabel() == "test snippet" and not chart.lines


def test_scores_chart(scores, monkeypatch):
    from matplotlib.colors import to_rgba

    monkeypatch.setattr(charts, "BARS", 3)
    bars, chart, _ = charts.draw_scores(find_clip(scores, "Yawn/two")).axes
    # The best three, and the true class.
    assert [label.get_text().split() for label in bars.get_yticklabels()] == [
        ["Bow", "1"],
        ["Jump", "2"],
        ["Run", "3"],
        ["Yawn", "6"],
    ]
    assert [bar.get_facecolor() == to_rgba(charts.TRUE) for bar in bars.patches] == [
        False,
        False,
        False,
        True,
    ]
    (colours,) = chart.collections
    assert np.allclose(
        colours.get_array(), [[0.4] * 2, [0.3] * 2, [0.15] * 2, [0.01] * 2], atol=1e-6
    )
    # Where pictures of two clips have the same colour, they have the same probability.
    assert colours.get_clim() == (0, 1)


def test_scores_lie_over_the_frames_of_the_clip(tmp_path):
    """8 frames are 7 fields, so stacks of 2 start at 0 .. 5. Two periods of 3 instants, 2 apart,
    have their centres at 2 and 3: instants 0, 2, 4 and 1, 3, 5.
    """
    folder = tmp_path / "split1" / "motion"
    folder.mkdir(parents=True)
    row = {"clip": "Jump/one", "class": "Jump", "label": 1, "group": "a", "shard": "000"}
    row |= {"path": "a.avi", "sha256": "ab", "frames": 8, "width": 8, "height": 6}
    index.write(tmp_path / "split1" / "test.csv", [row], index.COLUMNS)
    period = {"count": 2, "instants": 3, "delta": 2}
    settings = {"scores": {"space": "logits"}, "period": period, "stack": 2}
    sure = np.linspace(0.2, 0.7, 6)
    probabilities = np.stack([(1 - sure) / 5] * 6, axis=1)
    probabilities[:, 1] = sure
    with writer.create(folder / "scores.h5", "scores", settings, "c0de", source="motion") as file:
        file["clips"], file["labels"], file["classes"] = ["Jump/one"], np.array([1]), CLASSES
        file["logits"] = np.log(probabilities[[0, 2, 4, 1, 3, 5]])[None]
        file["scores"] = np.zeros((1, 6))
    with inspect.open_file(folder / "scores.h5") as file:
        chart = charts.draw_scores(find_clip(file)).axes[1]
    (colours,) = chart.collections
    np.testing.assert_allclose(colours.get_array()[1], sure, atol=1e-6)
    edges = colours.get_coordinates()[0, :, 0]
    assert edges.tolist() == [-0.5, 0.5, 1.5, 2.5, 3.5, 4.5, 5.5]
    # Frames 6 and 7 start no stack.
    assert chart.get_xlim() == (-0.5, 7.5) and chart.get_xlabel() == "frame"
