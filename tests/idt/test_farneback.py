"""Farneback's flow: polynomials against least squares in float64, flow against known shifts."""

import cv2
import numpy as np
import pytest

from pipeline.idt import farneback

RNG = np.random.default_rng(0)


def texture(height: int, width: int) -> np.ndarray:
    """Smooth noise, grey uint8."""
    noise = cv2.GaussianBlur(RNG.standard_normal((height, width)), (0, 0), 2)
    return np.clip(128 + 40 * noise / noise.std(), 0, 255).astype(np.uint8)


def test_pyramid_of_a_video_of_320_x_240():
    levels = farneback.pyramid(240, 320)
    assert [size for _, *size in levels] == [
        [240, 320],
        [170, 226],
        [120, 160],
        [85, 113],
        [60, 80],
        [42, 57],
    ]
    assert [float(scale) for scale, *_ in levels] == pytest.approx(
        [2 ** (k / 2) for k in range(6)], rel=1e-6
    )


@pytest.mark.parametrize("side, count", [(31, 0), (32, 1), (45, 1), (46, 2), (1000, 8), (2000, 8)])
def test_pyramid_ends_where_no_patch_fits(side, count):
    assert len(farneback.pyramid(side, 2 * side)) == len(farneback.pyramid(2 * side, side)) == count


def test_polynomials_are_the_weighted_least_squares_fit():
    image = RNG.integers(0, 256, (60, 70), dtype=np.uint8)
    (polynomials,) = farneback.expand(image, farneback.pyramid(60, 70)[:1])
    # The kernel of size 3 that OpenCV takes for a sigma of 0.
    kernel = np.outer([1, 2, 1], [1, 2, 1]) / 16
    windows = np.lib.stride_tricks.sliding_window_view(image.astype(float), (3, 3))
    # (58, 68), from pixel (1, 1) on
    blurred = np.einsum("yxij,ij->yx", windows, kernel)
    y, x = np.mgrid[-7:8, -7:8].reshape(2, -1).astype(float)
    # The root of the weights.
    root = np.exp(-(x**2 + y**2) / (4 * 1.5**2))
    basis = np.stack([y, x, y * y, x * x, x * y, np.ones_like(x)], axis=1) * root[:, None]
    for row, column in [(20, 30), (40, 50), (25, 11)]:
        patch = blurred[row - 8 : row + 7, column - 8 : column + 7].ravel()
        expected = np.linalg.lstsq(basis, patch * root, rcond=None)[0][:5]
        assert polynomials[:, row, column] == pytest.approx(expected, abs=2e-4)


@pytest.mark.parametrize("shift", [(0, 0), (3, -2), (-5, 1)])
def test_flow_finds_a_shift_at_every_scale(shift):
    dx, dy = shift
    large = texture(200, 260)
    first, second = large[20:180, 20:240], large[20 - dy : 180 - dy, 20 - dx : 240 - dx]
    levels = farneback.pyramid(*first.shape)
    flows = farneback.flow(farneback.expand(first, levels), farneback.expand(second, levels))
    assert len(flows) == len(levels) == 5
    for field, (scale, height, width) in zip(flows, levels, strict=True):
        assert field.shape == (2, height, width) and field.dtype == np.float32
        inside = field[:, 8:-8, 8:-8] * scale
        assert np.median(inside, axis=(1, 2)) == pytest.approx((dx, dy), abs=0.15)
    assert np.abs(flows[0][:, 20:-20, 20:-20] - np.array([[[dx]], [[dy]]])).mean() < 0.1


def test_flow_between_flat_and_between_unlike_frames_is_finite():
    levels = farneback.pyramid(60, 80)
    pictures = [
        np.full((60, 80), 77, np.uint8),
        RNG.integers(0, 2, (60, 80), dtype=np.uint8) * 255,
        texture(60, 80),
    ]
    expansions = [farneback.expand(picture, levels) for picture in pictures]
    for before in expansions:
        for after in expansions:
            assert all(np.isfinite(field).all() for field in farneback.flow(before, after))
    assert all(np.abs(field).max() < 1e-3 for field in farneback.flow(expansions[0], expansions[0]))
