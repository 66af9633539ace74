"""Encoding JPEG files in strips."""

import imagecodecs
import numpy as np
from codec_cases import decode_by_opencv, picture

from pipeline.storage import jpeg


def test_strips_cost_little_and_no_pixel():
    """Against a file without strips, by imagecodecs: equal pixels, and a few bytes per marker."""
    pixels = picture(240, 320, 3)
    plain = imagecodecs.jpeg8_encode(pixels, level=85, subsampling="420", optimize=True)
    content = jpeg.encode(pixels, 85)
    np.testing.assert_array_equal(decode_by_opencv(content), decode_by_opencv(plain))
    # 5 strips in each of 15 rows of MCUs.
    assert 0 < len(content) - len(plain) < 8 * 75
