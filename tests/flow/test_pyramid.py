"""The image pyramid against OpenCV's resizing."""

import cv2
import numpy as np
from flow_cases import DEFAULTS

from pipeline.flow import cpu, pyramid


def test_pyramid_is_opencvs():
    image = np.random.default_rng(0).uniform(0, 255, (1, 243, 317)).astype(np.float32)
    levels = cpu.Solver(243, 317, **DEFAULTS).pyramid(image)
    expected = image[0]
    for level in levels:
        np.testing.assert_allclose(level[0], expected, atol=2e-3)
        expected = cv2.resize(level[0], None, fx=0.8, fy=0.8)
    assert len(levels) == 5
    # No level is smaller than 16 pixels.
    assert pyramid.sizes(20, 400, 5, 0.8) == [(20, 400), (16, 320)]
