"""Camera motion between two frames: a homography from matched features and tracked corners.

Wang and Schmid, ICCV 2013, section 3.1. Images are grey, (h, w) uint8; points are x, y in pixels.
"""

import cv2
import numpy as np

# ORB features per frame, at most.
MAX_FEATURES = 500
# Pixels; a feature moves by less between two frames, along each axis.
MAX_DISPLACEMENT = 25
# Corners per frame, at most.
MAX_CORNERS = 1000
# The least quality of a corner, relative to the best one of the frame.
CORNER_QUALITY = 0.001
# Pixels between two corners, at least.
CORNER_DISTANCE = 3
# A homography counts with more pairs of points and more inliers than these only. Otherwise the
# camera counts as standing still.
MIN_PAIRS, MIN_INLIERS = 50, 25
# Pixels; the largest reprojection error of an inlier.
RANSAC_THRESHOLD = 1.0
# Pixels along its border where a warped frame is not trusted.
BORDER = 5

_detector = cv2.ORB_create(MAX_FEATURES)
_matcher = cv2.BFMatcher(cv2.NORM_HAMMING)


def detect_features(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the ORB features of an image: points (n, 2) float32 and descriptors (n, 32) uint8.

    The original program uses SURF, which free builds of OpenCV lack. Which detector it is hardly
    matters, since the corners give most pairs.
    """
    keypoints, descriptors = _detector.detectAndCompute(image, None)
    points = np.array([keypoint.pt for keypoint in keypoints], np.float32).reshape(-1, 2)
    return points, descriptors if len(points) else np.empty((0, 32), np.uint8)


def match_features(before: tuple, after: tuple) -> tuple[np.ndarray, np.ndarray]:
    """Match each feature of the frame `after` to the most similar one of the frame `before`.

    Both are results of `detect_features`. Features that are MAX_DISPLACEMENT or farther apart do
    not match. Returns the points (m, 2) of the pairs in the one frame and in the other.
    """
    points_before, descriptors_before = before
    points_after, descriptors_after = after
    # (after, before)
    near_x, near_y = (
        np.abs(np.subtract.outer(points_after[:, axis], points_before[:, axis])) < MAX_DISPLACEMENT
        for axis in (0, 1)
    )
    near = near_x & near_y
    matches = []
    if near.any():
        matches = _matcher.match(descriptors_after, descriptors_before, near.astype(np.uint8))
    return (
        points_before[[match.trainIdx for match in matches]].reshape(-1, 2),
        points_after[[match.queryIdx for match in matches]].reshape(-1, 2),
    )


def track_corners(image: np.ndarray, flow: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the corners (n, 2) of an image, and the points (n, 2) where its flow carries them.

    `flow`: (2, h, w) in pixels, x then y.
    """
    corners = cv2.goodFeaturesToTrack(image, MAX_CORNERS, CORNER_QUALITY, CORNER_DISTANCE)
    if corners is None:
        return np.empty((0, 2), np.float32), np.empty((0, 2), np.float32)
    # OpenCV returns (n, 1, 2), and corners lie on whole pixels.
    points = corners.reshape(-1, 2)
    x, y = points.astype(int).T
    return points, points + flow[:, y, x].T


def estimate_homography(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Return the homography (3, 3) that takes most points (n, 2) `before` to those `after`.

    It is the identity where there are too few pairs or inliers. OpenCV's RANSAC starts from the
    same seed at every call, so that the result is repeatable.
    """
    if len(before) > MIN_PAIRS:
        homography, inliers = cv2.findHomography(before, after, cv2.RANSAC, RANSAC_THRESHOLD)
        if homography is not None and np.count_nonzero(inliers) > MIN_INLIERS:
            return homography
    return np.eye(3)


def stabilise(before: np.ndarray, after: np.ndarray, homography: np.ndarray) -> np.ndarray:
    """Return the frame `after` as the camera of the frame `before` would have seen it.

    `homography` (3, 3) takes points of `before` to points of `after`. Pixels that `after` does not
    show, or shows next to its border, are those of `before`.
    """
    height, width = after.shape
    trusted = np.zeros_like(after)
    trusted[BORDER:-BORDER, BORDER:-BORDER] = 1
    trusted, warped = (
        cv2.warpPerspective(
            image, homography, (width, height), flags=interpolation | cv2.WARP_INVERSE_MAP
        )
        for image, interpolation in ((trusted, cv2.INTER_NEAREST), (after, cv2.INTER_LINEAR))
    )
    return np.where(trusted, warped, before)
