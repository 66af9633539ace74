"""Names in pictures: dollars, braces, other scripts, long ones; nothing is warned of."""

import warnings

import numpy as np
import pytest
from matplotlib import rcParams

from pipeline.evaluation import metrics
from pipeline.report import figures, fonts, inspect, pictures
from pipeline.report.clip import find_clip
from pipeline.storage import writer

# Matplotlib has Latin, Greek and Cyrillic letters, and no Chinese ones.
NAMES = ["$x_2$", "a $b", "50%", "{x}", "#1", "\\frac", "_a^b", "Cafe\u0301", "跳跃", "x" * 255]


def test_names_of_usual_characters_stay():
    with fonts.as_written(NAMES):
        assert [fonts.label(name, 0) for name in NAMES[:8]] == NAMES[:8]
        assert fonts.label("Ходьба", 0) == "Ходьба"


def test_a_class_that_no_font_can_write_is_its_number():
    with fonts.as_written(["\U0010fffd"]):
        assert fonts.label("\U0010fffd", 8) == "class 9"
        assert fonts.shown("a\U0010fffdb") == "a\ufffdb"


def test_a_font_that_has_the_characters_is_taken(monkeypatch):
    own, own_file = fonts._characters, fonts._file_of

    def characters(path):
        return frozenset(map(ord, "跳跃")) if path == "han.ttf" else own(path)

    monkeypatch.setattr(fonts, "_installed", lambda: [("Some Han", "han.ttf")])
    monkeypatch.setattr(fonts, "_characters", characters)
    monkeypatch.setattr(
        fonts,
        "_file_of",
        lambda family: "han.ttf" if family == "Some Han" else own_file(family),
    )
    with fonts.as_written(["跳跃"]):
        assert rcParams["font.family"] == [fonts.OWN, "Some Han"]
        assert fonts.label("跳跃", 0) == "跳跃"


def test_long_names_are_cut():
    with fonts.as_written(NAMES):
        text = fonts.label("Start" + "x" * 255 + "End", 0)
    assert len(text) <= fonts.LONGEST and text.startswith("Start") and text.endswith("End")


def test_control_characters_are_written_out():
    with fonts.as_written([]):
        assert "\x0b" not in fonts.label("a\x0bb", 0) and "\n" not in fonts.label("a\nb", 0)


def test_a_result_of_any_names_is_drawn_without_a_warning(tmp_path):
    rng = np.random.default_rng(0)
    labels = rng.integers(0, len(NAMES), 50)
    fused = {name: rng.normal(0, 1, (50, len(NAMES))) for name in ("appearance", "asyn")}
    result = {"set": "no", "split": "split1", **metrics.summary(fused, labels, NAMES, "asyn")}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figures.draw_result(result, tmp_path / "acc.png")
    assert (tmp_path / "acc.png").stat().st_size > 10_000


@pytest.mark.parametrize("kind", ["scores", "groups"])
def test_clips_of_any_names_are_drawn_without_a_warning(tmp_path, kind):
    path, clip = tmp_path / f"{kind} $.h5", "$x_2$/跳跃 $ {x}\u2028"
    settings = {
        "scores": {"space": "softmax", "crops": "centre"},
        "period": {"count": 1, "instants": 2},
        "granularities": [5, 3, 1],
        "groups": {"stride": 2},
    }
    if kind == "scores":
        with writer.create(path, kind, settings, "c0de", source="motion") as file:
            file["clips"], file["labels"], file["classes"] = [clip], np.array([0]), NAMES
            file["logits"] = np.zeros((1, 2, len(NAMES)))
            file["scores"] = np.zeros((1, len(NAMES)))
    else:
        with writer.create(path, kind, settings, "c0de", classes=NAMES) as file:
            file["one/two"] = np.array([[0, 1, 2, 3, 8], [1, 2, 3, 8, 9]], np.uint16)
            file["one/two"].attrs.update({"clip": clip, "label": 0})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with inspect.open_file(path) as file:
            pictures.draw(find_clip(file), tmp_path / "clip.png")
    assert (tmp_path / "clip.png").stat().st_size > 10_000
