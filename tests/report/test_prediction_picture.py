"""The picture of a prediction: what is drawn, by matplotlib's own account of it."""

import numpy as np
import pytest
from matplotlib.figure import Figure
from prediction_cases import prediction, window

from pipeline.report import prediction_picture
from pipeline.streams import DIRECTIONS


@pytest.fixture
def figures(monkeypatch) -> list[Figure]:
    """The figures that are saved."""
    found, savefig = [], Figure.savefig

    def save(figure, *arguments, **options):
        found.append(figure)
        return savefig(figure, *arguments, **options)

    monkeypatch.setattr(Figure, "savefig", save)
    return found


def one(**more):
    return prediction(
        [
            window({"appearance": [4, 0, -4], "motion": [-8, 8, 0]}, 0),
            window({"appearance": [4, 0, -4], "motion": [-8, 8, 0]}, 10),
        ],
        **more,
    )


def test_strips_curves_and_bars(tmp_path, figures):
    said = one()
    prediction_picture.draw(said, tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    (figure,) = figures
    *tiles, of_class, of_fusion, bars = figure.axes
    # A frame and its flow for each picture; a still video is white, not noise.
    assert len(tiles) == 4
    assert np.all(tiles[1].images[0].get_array() == 1)
    assert [line.get_label() for line in of_class.lines] == [
        "appearance (CO2FI)",
        "motion (CO2FI)",
        "two-stream (sum)",
    ]
    seconds, _, values = prediction_picture.running(said)
    np.testing.assert_allclose(of_class.lines[2].get_xdata(), seconds)
    # The class of the whole video is 'jump'.
    np.testing.assert_allclose(of_class.lines[2].get_ydata(), values[:, 1])
    assert of_class.get_title(loc="left") == "probability of jump"
    assert [line.get_label() for line in of_fusion.lines][0] == "jump"
    assert [text.get_text() for text in bars.get_yticklabels()] == ["jump", "run", "wave"]
    widths = [patch.get_width() for patch in bars.patches]
    assert widths == sorted(widths, reverse=True) and sum(widths) == pytest.approx(1)


def test_names_of_any_kind_are_drawn(tmp_path, figures):
    said = one(classes=["$x_1$", "\x1b[31mred", "\U0010ffff" * 40])
    prediction_picture.draw(said, tmp_path / "a.png")
    names = [text.get_text() for text in figures[0].axes[-1].get_yticklabels()]
    assert names == ["\\x1b[31mred", "$x_1$", "class 3"]


def test_a_point_of_many_windows_is_one_of_them(tmp_path, figures):
    scores = {"appearance": [4, 0, -4], "motion": [-8, 8, 0]}
    said = prediction([window(scores, 10 * number) for number in range(60)])
    prediction_picture.draw(said, tmp_path / "a.png")
    *_, of_class, _, _ = figures[0].axes
    # Instants 2 and 7 of each window of 10 frames, at 10 frames a second.
    np.testing.assert_allclose(of_class.lines[2].get_xdata(), np.arange(60) + 0.45)


def test_a_run_of_directions_alone(tmp_path, figures):
    """As a variant that fuses the streams of another run is."""
    scores = dict(zip(DIRECTIONS, ([4, 0, -4], [-8, 8, 0]), strict=True))
    said = prediction([window(scores)], parts=tuple(DIRECTIONS), fused="asyn")
    np.testing.assert_allclose(said.scores["asyn"], [0, 2, -2])
    prediction_picture.draw(said, tmp_path / "a.png")
    *_, of_class, _, _ = figures[0].axes
    assert [line.get_label() for line in of_class.lines] == [
        "appearance to motion (ASYN)",
        "motion to appearance (ASYN)",
        "asynchronous fusion",
    ]
