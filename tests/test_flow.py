"""Optical flow: quantisation, mirroring, and motion that is known."""

import numpy as np
import pytest

from pipeline import flow


def texture(height: int, width: int, right: float = 0.0, down: float = 0.0) -> np.ndarray:
    """A smooth picture, its content moved by (right, down) pixels: computed at the moved places, not resampled."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[0:height, 0:width].astype(float)
    x, y = x - right, y - down
    waves = sum(np.sin(a * x + b * y + phase) for a, b, phase in rng.uniform(-1, 1, (16, 3)) * [0.5, 0.5, np.pi])
    return np.rint(127 + 15 * waves).clip(0, 255).astype(np.uint8)


# --- quantisation


@pytest.mark.parametrize("bound", [20.0, 5.0])
def test_quantise_rounds_to_255_steps(bound):
    v = np.random.default_rng(0).uniform(-1.5 * bound, 1.5 * bound, (50, 40, 2)).astype(np.float32)
    v64 = v.astype(np.float64)
    expected = np.where(v64 < -bound, 0, np.where(v64 > bound, 255, np.round(255 * (v64 + bound) / (2 * bound))))
    codes = flow.quantise(v, bound)
    assert codes.dtype == np.uint8
    np.testing.assert_array_equal(codes, expected)


@pytest.mark.parametrize("bound", [20.0, 5.0, 15.0, 25.0, 32.0, 50.0, 10.1])
def test_quantise_at_the_edges_and_at_rest(bound):
    v = np.array([-1000, -bound, 0, bound, 1000], np.float32)
    assert flow.quantise(v, bound).tolist() == [0, 0, flow.ZERO, 255, 255]
    assert flow.ZERO == 128


@pytest.mark.parametrize("bound", [20.0, 5.0])
def test_round_trip_is_off_by_half_a_level_at_most(bound):
    v = np.linspace(-bound, bound, 10_001, dtype=np.float32)
    back = flow.dequantise(flow.quantise(v, bound), bound)
    assert back.dtype == np.float32
    assert np.abs(back - v).max() <= bound / 255 + 1e-5  # float32
    codes = np.arange(256, dtype=np.uint8)
    np.testing.assert_array_equal(flow.quantise(flow.dequantise(codes, bound), bound), codes)


# --- mirror


def test_mirror_is_an_involution_and_leaves_its_argument():
    stack = np.random.default_rng(0).integers(0, 256, (6, 4, 5)).astype(np.uint8)
    before = stack.copy()
    np.testing.assert_array_equal(flow.mirror(flow.mirror(stack)), stack)
    np.testing.assert_array_equal(stack, before)


def test_mirror_flips_all_and_negates_x():
    """Planes are x1 y1 x2 y2 ..."""
    stack = np.array([[[0, 100, 255]], [[1, 2, 3]], [[128, 127, 9]], [[4, 5, 6]]], np.uint8)
    assert flow.mirror(stack).tolist() == [[[0, 155, 255]], [[3, 2, 1]], [[246, 128, 127]], [[6, 5, 4]]]


def test_mirror_is_the_flow_of_the_mirrored_motion():
    """A mirrored clip moves by (-u, v) at the mirrored place; the codes agree up to one level, where u is a tie."""
    y, x = np.mgrid[0:20, 0:30].astype(np.float64)
    u, v = 0.7 * x - 9 + np.sin(y), 8 - 0.6 * y + np.cos(x)  # a motion field (u, v) at (x, y)
    u[3], v[4] = 0, 0
    mirrored_u, mirrored_v = -u[:, ::-1], v[:, ::-1]
    found = flow.mirror(np.stack([flow.quantise(u), flow.quantise(v)]))
    expected = np.stack([flow.quantise(mirrored_u), flow.quantise(mirrored_v)])
    difference = found.astype(int) - expected
    assert np.abs(difference[0]).max() == 1 and (difference[0] == 0).mean() > 0.9  # row 3, at rest: 127 for 128
    assert (difference[1] == 0).all()


# --- the solver


@pytest.mark.parametrize("right, down", [(1.5, 0), (0, 1.5), (-0.6, 0.4), (2.3, -1.2)])
def test_tvl1_finds_a_translation(right, down):
    """Content that moves right has +x, down +y."""
    found = flow.tvl1(texture(64, 80), texture(64, 80, right, down))
    assert found.shape == (64, 80, 2) and found.dtype == np.float32
    inner = found[8:-8, 8:-8]
    np.testing.assert_allclose(np.median(inner, axis=(0, 1)), [right, down], atol=0.05)
    assert np.abs(inner - [right, down]).mean() < 0.1


def test_tvl1_of_a_still_clip_is_zero():
    assert np.abs(flow.tvl1(texture(48, 48), texture(48, 48))).max() < 1e-3


@pytest.mark.parametrize("setting", [
    {"tau": 0.1}, {"lambda_": 0.05}, {"theta": 0.1}, {"scales": 1}, {"scale_step": 0.5}, {"warps": 1}, {"epsilon": 0.5},
    {"inner": 2}, {"outer": 1}, {"median": 1}], ids=lambda setting: next(iter(setting)))
def test_tvl1_hears_every_setting(setting):
    images = texture(48, 48), texture(48, 48, 2.5, 1.0)
    assert not np.array_equal(flow.tvl1(*images), flow.tvl1(*images, **setting))


@pytest.mark.parametrize("first, second, word", [
    (np.zeros((8, 8)), np.zeros((8, 8), np.uint8), "first"),
    (np.zeros((8, 8), np.uint8), np.zeros((8, 8), np.float32), "second"),
    (np.zeros((8, 8, 3), np.uint8), np.zeros((8, 8, 3), np.uint8), "grey"),
    (np.zeros((8, 8), np.uint8), np.zeros((8, 9), np.uint8), "size")], ids=["float", "second", "colour", "sizes"])
def test_tvl1_refuses_what_it_cannot_compare(first, second, word):
    with pytest.raises(ValueError, match=word):
        flow.tvl1(first, second)


def test_grey_is_bt601_luma():
    frame = np.random.default_rng(0).integers(0, 256, (9, 11, 3)).astype(np.uint8)
    luma = frame @ np.array([0.299, 0.587, 0.114])  # R, G, B
    assert np.abs(flow.grey(frame) - luma).max() <= 0.51  # OpenCV's weights are fixed-point
