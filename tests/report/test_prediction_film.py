"""The film of a prediction: all frames of the video, and below them the answer of the instant."""

import numpy as np
from prediction_cases import FRAMES, prediction, window

from pipeline.report import prediction_film
from pipeline.report.prediction_film import FIRST
from pipeline.video.decode import decode
from pipeline.video.encode import encode

HEIGHT, WIDTH, SCALE = 48, 64, 5


def bar_length(frame: np.ndarray) -> int:
    """The pixels in a row of the answer's bar, which has a colour of its own."""
    near = np.abs(frame[HEIGHT * SCALE :].astype(int) - FIRST).max(axis=-1) < 40
    return int(near.sum(axis=1).max())


def test_every_frame_has_the_answer_of_its_instant(tmp_path):
    greys = np.linspace(40, 200, 2 * FRAMES).astype(np.uint8)
    video = np.broadcast_to(greys[:, None, None, None], (2 * FRAMES, HEIGHT, WIDTH, 3))
    encode(tmp_path / "clip.avi", video, 10)
    said = prediction(
        [
            window({"appearance": [9, 0, -9], "motion": [90, 0, -90]}, 0),
            window({"appearance": [1, 0, -1], "motion": [1, 0, -1]}, FRAMES),
        ]
    )
    said.path = tmp_path / "clip.avi"
    prediction_film.draw(said, tmp_path / "film.mp4")
    frames = list(decode(tmp_path / "film.mp4"))
    # Narrow videos are scaled up, so that names can be read.
    assert len(frames) == 2 * FRAMES and frames[0].shape[1] == WIDTH * SCALE
    for frame, grey in zip(frames, greys, strict=True):
        above = frame[: HEIGHT * SCALE]
        assert abs(above.astype(float).mean() - grey) < 8
    lengths = [bar_length(frame) for frame in frames]
    # The instants that were scored are frames 2, 7, 12 and 17. The first two are sure of their
    # class, the others give it 1.5 (1 / 2 + 1 / 4) more than the next, so 70 %.
    assert max(lengths[:9]) - min(lengths[:9]) <= 2
    for length in lengths[10:]:
        assert abs(length - 0.70 * lengths[0]) <= 3


def test_odd_sizes_and_names(tmp_path):
    """H.264 wants even sizes, and a panel has its own font."""
    video = np.zeros((FRAMES, 47, 335, 3), np.uint8)
    encode(tmp_path / "clip.avi", video, 10)
    said = prediction(
        [window({"appearance": [4, 0, -4], "motion": [-8, 8, 0]})],
        classes=["long " * 40, "\u8dd1\u6b65", "\x1b[31m"],
    )
    said.path = tmp_path / "clip.avi"
    prediction_film.draw(said, tmp_path / "film.mp4")
    frames = list(decode(tmp_path / "film.mp4"))
    assert len(frames) == FRAMES and frames[0].shape[1] == 334
