"""Camera motion: estimated among outliers, repeatable, and removed from a frame."""

import cv2
import numpy as np
import pytest

from pipeline.idt import camera

RNG = np.random.default_rng(2)
HOMOGRAPHY = np.array([[1.02, 0.01, 4.0], [-0.02, 0.99, -3.0], [1e-5, -2e-5, 1.0]])


def move(points: np.ndarray, homography: np.ndarray) -> np.ndarray:
    """Where a homography takes points, (n, 2)."""
    ends = np.c_[points, np.ones(len(points))] @ homography.T
    return (ends[:, :2] / ends[:, 2:]).astype(np.float32)


def random_points(count: int) -> np.ndarray:
    """Points (n, 2) in a picture of 320 x 240."""
    return RNG.uniform((0, 0), (320, 240), (count, 2)).astype(np.float32)


def test_homography_among_outliers():
    before = random_points(400)
    after = move(before, HOMOGRAPHY)
    # Points of things that move by themselves.
    after[:120] += RNG.uniform(5, 40, (120, 2)).astype(np.float32)
    homography = camera.estimate_homography(before, after)
    assert move(before, homography) == pytest.approx(move(before, HOMOGRAPHY), abs=0.1)
    cv2.setRNGSeed(99)
    assert (camera.estimate_homography(before, after) == homography).all()


@pytest.mark.parametrize("count", [0, 3, 50])
def test_few_matches_are_no_camera_motion(count):
    before = random_points(count)
    assert (camera.estimate_homography(before, move(before, HOMOGRAPHY)) == np.eye(3)).all()


def test_matches_without_a_common_motion_are_none():
    assert (camera.estimate_homography(random_points(60), random_points(60)) == np.eye(3)).all()


def test_features_match_within_reach():
    blobs = cv2.GaussianBlur(RNG.integers(0, 256, (240, 320)).astype(np.float32), (0, 0), 2)
    large = cv2.normalize(blobs, None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)
    before, after = (
        camera.detect_features(large[:200, :280]),
        camera.detect_features(large[10:210, 7:287]),
    )
    starts, ends = camera.match_features(before, after)
    assert len(starts) == len(ends) > 100
    assert np.median(ends - starts, axis=0) == pytest.approx((-7, -10), abs=0.5)
    assert (np.abs(ends - starts) < 25).all()


def test_nothing_to_see_is_no_match():
    flat = np.full((60, 80), 100, np.uint8)
    nothing = camera.detect_features(flat)
    assert [array.shape for array in nothing] == [(0, 2), (0, 32)]
    assert [len(side) for side in camera.match_features(nothing, nothing)] == [0, 0]
    assert [
        array.shape for array in camera.track_corners(flat, np.zeros((2, 60, 80), np.float32))
    ] == [
        (0, 2),
        (0, 2),
    ]


def test_corners_are_carried_by_the_flow():
    image = np.zeros((60, 80), np.uint8)
    image[20:40, 30:50] = 255
    flow = np.stack([np.arange(60 * 80).reshape(60, 80), np.full((60, 80), -2)]).astype(np.float32)
    starts, ends = camera.track_corners(image, flow)
    assert len(starts) >= 4
    for (x, y), step in zip(starts.astype(int), ends - starts, strict=True):
        assert step.tolist() == [y * 80 + x, -2]


def test_stabilised_frame_shows_what_the_first_camera_would_see():
    large = RNG.integers(0, 256, (100, 120), dtype=np.uint8)
    # The camera went 4 pixels right and 3 up: what it saw at (x, y) is at (x - 4, y + 3).
    before, after = large[20:80, 20:100], large[17:77, 24:104]
    motion = np.array([[1, 0, -4], [0, 1, 3], [0, 0, 1]], float)
    stabilised = camera.stabilise(before, after, motion)
    assert (stabilised == before).all()
    other = np.full_like(before, 7)
    kept = camera.stabilise(other, after, motion) == 7
    assert kept[:, :9].all() and kept[-8:].all() and not kept[5:-12, 12:-8].all()
