"""Pictures of codebooks, Fisher vectors and classifiers."""

import numpy as np
import pytest
from encoding_cases import codebook, svm, vector
from report_cases import shard

from pipeline.errors import PipelineError
from pipeline.report import encoding_pictures as drawing
from pipeline.report import inspect, pictures
from pipeline.report.clip import find_clip, whole_file


def test_components_are_sorted_by_weight(tmp_path):
    with inspect.open_file(codebook(tmp_path / "codebook.h5")) as file:
        axes = drawing.draw_codebook(whole_file(file)).axes
        pictures.draw(whole_file(file), tmp_path / "out.png")
    bars, image = axes[:2]
    assert [bar.get_height() for bar in bars.patches] == [50, 25, 12.5, 12.5]
    logs = image.images[0].get_array()
    assert logs.shape == (4, 15) and logs[0, 0] == pytest.approx(1)
    np.testing.assert_allclose(logs[1:], -1, atol=1e-6)


def test_a_vector_is_shown_by_descriptor(tmp_path):
    items = {"Run/some": [vector()], "Run/none": [0 * vector()], "Run/other": [vector()[:9]]}
    with shard(tmp_path / "fisher.h5", "fisher", items, items) as file:
        figure = drawing.draw_fisher(find_clip(file, "some"))
        drawing.draw_fisher(find_clip(file, "none"))
        pictures.draw(find_clip(file, "some"), tmp_path / "out.png")
        with pytest.raises(PipelineError, match="a vector of 9 values"):
            drawing.draw_fisher(find_clip(file, "other"))
    titles = [axes.get_title() for axes in figure.axes[:10]]
    assert titles[:4] == [
        "shape, by mean",
        "shape, by variance",
        "HOG, by mean",
        "HOG, by variance",
    ]
    shape, hog = figure.axes[0].images[0].get_array(), figure.axes[3].images[0].get_array()
    assert (shape[0, 0], hog[0, 0]) == (3, -4) and shape.shape == (1, 15)
    assert "norm 5.000; half of its square lies in 0.2% of 426 values" in figure.get_suptitle()
    assert figure.axes[2].get_ylabel() == "component\n64% of the square"


def test_weights_by_class_and_descriptor(tmp_path):
    with inspect.open_file(svm(tmp_path / "svm.h5")) as file:
        image, bars, _ = drawing.draw_classifiers(whole_file(file)).axes
        pictures.draw(whole_file(file), tmp_path / "out.png")
    assert image.images[0].get_array()[0].tolist() == [3, 4, 0, 0, 0]
    assert [bar.get_width() for bar in bars.patches] == [-1, 0, 0.5, 1]
    assert image.get_yticklabels()[0].get_text() == "Bow"
