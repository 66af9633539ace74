"""The picture of a result."""

import numpy as np
import pytest
from matplotlib import pyplot

from pipeline.evaluation import metrics
from pipeline.report import figures


@pytest.mark.parametrize("count", [4, 30])
def test_result_is_drawn(tmp_path, monkeypatch, count):
    """Bars in percent, and a confusion matrix whose rows add up to 100 % where there are clips."""
    drawn = []
    monkeypatch.setattr(figures, "save_figure", lambda figure, path: drawn.append(figure))
    rng = np.random.default_rng(0)
    labels = rng.integers(0, count - 1, 50)
    fused = {name: rng.normal(0, 1, (50, count)) for name in ("appearance", "asyn")}
    names = [f"class {label}" for label in range(count)]
    result = {"set": "demo", "split": "split1", **metrics.summary(fused, labels, names, "asyn")}
    figures.draw_result(result, tmp_path / "acc.png")
    (figure,) = drawn
    bars, matrix, _ = figure.axes
    widths = [bar.get_width() for bar in bars.patches]
    assert widths == [100 * result["accuracy"][name] for name in fused]
    shares = matrix.images[0].get_array().sum(axis=1)
    expected = np.where(np.bincount(labels, minlength=count) > 0, 100, 0)
    np.testing.assert_allclose(shares, expected)
    # Counts are readable in a small matrix only.
    counts = [int(text.get_text()) for text in matrix.texts]
    assert sum(counts) == (50 if count == 4 else 0)
    pyplot.close(figure)
