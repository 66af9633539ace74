"""Folders of split lists and of videos, and a small data set that has both."""

import numpy as np
import pytest
from dataset_cases import FILES, LISTS

from pipeline.datasets import ucf101
from pipeline.datasets.videos import locate
from pipeline.video.encode import encode


@pytest.fixture
def lists(tmp_path):
    """A function that writes a folder of split lists: LISTS, overridden by its arguments."""

    def write(folder="lists", **changed):
        (tmp_path / folder).mkdir()
        for name, text in (LISTS | changed).items():
            content = text.encode() if isinstance(text, str) else text
            (tmp_path / folder / f"{name}.txt").write_bytes(content)
        return tmp_path / folder

    return write


@pytest.fixture
def videos(tmp_path):
    """A function that makes empty files in a folder of videos and returns the folder."""

    def make(*files):
        for file in files:
            path = tmp_path / "videos" / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        return tmp_path / "videos"

    return make


@pytest.fixture
def small_set(lists, videos):
    """A set of five clips of 2 .. 6 frames, and the paths of their videos by clip id."""
    folder = videos(*FILES)
    for count, file in enumerate(FILES, start=2):
        encode(folder / file, frames(count), 25)
    clip_set = ucf101.read("set", lists())
    return clip_set, locate(clip_set, folder)[0]


def frames(count: int) -> np.ndarray:
    """Plain grey frames that grow lighter, (count, 24, 32, 3) uint8."""
    return (
        np.repeat(np.arange(count, dtype=np.uint8)[:, None, None, None] * 9, 3, axis=3)
        .repeat(24, 1)
        .repeat(32, 2)
    )
