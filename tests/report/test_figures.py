"""The picture of a result."""

import numpy as np
import pytest
from matplotlib.text import Text
from PIL import Image

from pipeline.evaluation import metrics
from pipeline.evaluation.external_scores import read
from pipeline.evaluation.matching import match_scores
from pipeline.report import figures
from pipeline.report.canvas import DPI

LONG = ["Übung mit Bällen", "跳跃", "x" * 60, "Brushing hair (in the rain) at night and in the fog"]


def result_of(fused, labels, names, headline="asyn"):
    return {"set": "demo", "split": "split1", **metrics.summary(fused, labels, names, headline)}


def random_result(names, clips=50):
    """The last class has no test clips, where there are several."""
    rng, count = np.random.default_rng(0), len(names)
    labels = rng.integers(0, max(1, count - 1), clips)
    fused = {name: rng.normal(0, 1, (clips, count)) for name in ("appearance", "asyn")}
    return result_of(fused, labels, names)


@pytest.fixture
def drawn(tmp_path, monkeypatch):
    """Draw a result, and return its figure, which is not written, and a folder."""

    def draw(result):
        found = []
        monkeypatch.setattr(figures, "save_figure", lambda figure, *_, **__: found.append(figure))
        figures.draw_result(result, tmp_path / "acc.png")
        return found[0]

    return draw


@pytest.mark.parametrize("count", [4, 30, 300])
def test_result_is_drawn(drawn, count):
    """Bars in percent, and a confusion matrix whose rows add up to 100 % where there are clips."""
    names = [f"class {label}" for label in range(count)]
    result = random_result(names)
    matrix, by_class, _, bars = drawn(result).axes
    widths = [bar.get_width() for bar in bars.patches]
    assert widths == [100 * result["accuracy"][name] for name in ("appearance", "asyn")]
    shares = matrix.images[0].get_array().sum(axis=1)
    tested = np.array([result["per_class"][name]["clips"] for name in names])
    np.testing.assert_allclose(shares, np.where(tested > 0, 100, 0))
    # Counts are readable up to some 250 classes.
    assert sum(int(text.get_text()) for text in matrix.texts) == (50 if count < 300 else 0)
    # The bars of classes stand in the rows of the matrix.
    expected = [100 * (result["per_class"][name]["asyn"] or 0) for name in names]
    np.testing.assert_allclose([bar.get_width() for bar in by_class.patches], expected)
    box, rows = matrix.get_position(), by_class.get_position()
    assert (box.y0, box.y1) == (rows.y0, rows.y1) and by_class.get_ylim() == matrix.get_ylim()
    if count < 300:
        assert by_class.texts[-1].get_text() == "no clips"


def test_bars_have_their_intervals(drawn):
    """Wilson's of 25 in 50 is 36.6 to 63.4 %."""
    scores = np.eye(2)[[0] * 25 + [1] * 25]
    result = result_of({"asyn": scores}, np.zeros(50, int), ["a", "b"])
    *_, bars = drawn(result).axes
    (segment,) = bars.collections[0].get_segments()
    np.testing.assert_allclose(segment[:, 0], [36.645, 63.355], atol=0.001)


def heights_and_steps(labels: list[Text], axis: int) -> tuple[np.ndarray, np.ndarray]:
    """Thickness of names along an axis, and how far they are apart, in pixels of the picture."""
    boxes = [label.get_window_extent() for label in labels]
    sizes = np.array([[box.width, box.height][axis] for box in boxes])
    places = np.array([[(box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2][axis] for box in boxes])
    return sizes, np.abs(np.diff(places))


@pytest.mark.parametrize("count", [2, 6, 14, 51, 101, 300])
def test_names_of_any_length_are_legible_and_apart(drawn, count):
    names = [
        f"{LONG[number % 4]} {number}" if number % 3 else f"Run{number}" for number in range(count)
    ]
    figure = drawn(random_result(names, 5 * count))
    figure.set_dpi(DPI)
    matrix, *_ = figure.axes
    for labels, axis in ((matrix.get_yticklabels(), 1), (matrix.get_xticklabels(), 0)):
        sizes, steps = heights_and_steps(labels, axis)
        # 8 points are 12 pixels; the letters of a font fill most of them.
        assert min(label.get_fontsize() for label in labels) >= 8
        assert (steps >= np.minimum(sizes[1:], sizes[:-1]) * 0.85).all()


def test_parts_do_not_overlap(drawn):
    """The sources, the list of confused pairs and the matrix with its names stand apart."""
    names = [f"{number} {'W' * 60}" for number in range(60)]
    figure = drawn(random_result(names, 600))
    matrix, by_class, scale, bars = (axes.get_tightbbox() for axes in figure.axes)
    (pairs,) = figure.texts
    assert pairs.get_text().startswith("most confused:\n")
    assert max(bars.x1, pairs.get_window_extent().x1) <= matrix.x0
    assert matrix.x1 <= by_class.x0 + 1 and by_class.x1 <= scale.x0
    assert pairs.get_window_extent().y1 <= bars.y0


def test_ucf101_as_it_is_written(shared, tmp_path):
    """Published scores of 3,783 clips and 101 classes: every number of a class can be read."""
    folder = shared / "published_scores/aligned"
    rgb, flow = (read(folder / "ucf101_split1.npz", name) for name in ("rgb", "flow"))
    idt = match_scores(
        read(shared / "published_scores/idt_decision_values/ucf_idt_split1.mat"), rgb, "idt"
    )
    fused = {"appearance": rgb.values, "motion": flow.values, "idt": idt.values}
    fused["two_stream"] = rgb.values + flow.values
    result = result_of(fused, rgb.labels, rgb.classes, "two_stream")
    path = tmp_path / "acc.png"
    figures.draw_result(result, path)
    with Image.open(path) as picture:
        width, height = picture.size
        colours = np.asarray(picture.convert("RGB"))
    # 101 rows of 0.2 inches, at 110 pixels an inch, with names above and below.
    assert 101 * 22 < height < 101 * 22 + 600 and height < width < 1.5 * height
    # Nothing is cut off: there is a margin.
    edges = (colours[:10], colours[-10:], colours[:, :10], colours[:, -10:])
    assert all((edge == 255).all() for edge in edges)
    assert path.stat().st_size < 2e6
