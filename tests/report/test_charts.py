"""Charts of groups and of scores."""

import numpy as np
from report_cases import CLASSES, text_of

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
            chart.images[0].get_array(), probabilities[0].mean(axis=0)[:, order].T, atol=1e-6
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
        assert chart.get_xlabel() == "test snippet" and not chart.collections


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
    assert np.allclose(
        chart.images[0].get_array(), [[0.4] * 2, [0.3] * 2, [0.15] * 2, [0.01] * 2], atol=1e-6
    )
