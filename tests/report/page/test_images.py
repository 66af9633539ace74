"""Pictures within the page."""

import base64

import imagecodecs
import numpy as np

from pipeline.report.page.images import data_uri


def decoded(uri: str) -> np.ndarray:
    head, _, text = uri.partition(",")
    assert head == "data:image/webp;base64"
    return imagecodecs.webp_decode(base64.b64decode(text))


def test_large_pictures_become_as_wide_as_is_wanted():
    pixels = np.zeros((120, 200, 3), np.uint8)
    pixels[:, 100:] = (250, 20, 20)
    small = decoded(data_uri(pixels, 50))
    assert small.shape[:2] == (30, 50)
    assert np.abs(small[15, 40, :3].astype(int) - (250, 20, 20)).max() < 20
    assert small[15, 10, :3].max() < 20


def test_small_and_narrow_pictures_stay():
    assert decoded(data_uri(np.full((9, 6, 3), 90, np.uint8), 50)).shape[:2] == (9, 6)
    assert decoded(data_uri(np.full((1, 400, 3), 90, np.uint8), 50)).shape[:2] == (1, 50)
