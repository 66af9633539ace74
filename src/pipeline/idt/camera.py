"""Camera motion between two frames: a homography from feature matches and from corners that the flow carries along."""

import cv2
import numpy as np

FEATURES = 500  # ORB features of a frame, at most
REACH = 25  # pixels that a feature moves between two frames, at most, on each axis
CORNERS, QUALITY, APART = (
    1000,
    0.001,
    3,
)  # corners: how many, how weak relative to the best, how near to each other
MATCHES, INLIERS = 50, 25  # more than these, or the camera counts as standing still
TOLERANCE = 1.0  # pixels that an inlier may be off
MARGIN = 5  # pixels next to its border where a frame is not trusted
_detector = cv2.ORB_create(FEATURES)
_matcher = cv2.BFMatcher(cv2.NORM_HAMMING)


def features(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """ORB features of a grey image: places (n, 2) float32 and descriptors (n, 32) uint8.

    The original program took SURF, which free builds of OpenCV lack; which detector hardly matters beside the corners.
    """
    keypoints, descriptors = _detector.detectAndCompute(image, None)
    places = np.array([keypoint.pt for keypoint in keypoints], np.float32).reshape(-1, 2)
    return places, descriptors if len(places) else np.empty((0, 32), np.uint8)


def match(before: tuple, after: tuple) -> tuple[np.ndarray, np.ndarray]:
    """Places (m, 2) of the features `before` and of those `after` that resemble them most within reach."""
    near_x, near_y = (
        np.abs(np.subtract.outer(after[0][:, axis], before[0][:, axis])) < REACH for axis in (0, 1)
    )
    near = near_x & near_y  # (after, before)
    found = _matcher.match(after[1], before[1], near.astype(np.uint8)) if near.any() else []
    return (
        before[0][[one.trainIdx for one in found]].reshape(-1, 2),
        after[0][[one.queryIdx for one in found]].reshape(-1, 2),
    )


def carried(image: np.ndarray, flow: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Corners (n, 2) of a grey image (h, w), and where its flow (2, h, w) carries them."""
    corners = cv2.goodFeaturesToTrack(image, CORNERS, QUALITY, APART)
    if corners is None:
        return np.empty((0, 2), np.float32), np.empty((0, 2), np.float32)
    places = corners.reshape(-1, 2)
    x, y = places.astype(int).T  # corners lie on pixels
    return places, places + flow[:, y, x].T


def homography(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """The homography (3, 3) that most of the places (n, 2) `before` follow to `after`, or the identity for too few.

    OpenCV's RANSAC starts from the same seed at every call.
    """
    if len(before) > MATCHES:
        found, inliers = cv2.findHomography(before, after, cv2.RANSAC, TOLERANCE)
        if found is not None and np.count_nonzero(inliers) > INLIERS:
            return found
    return np.eye(3)


def stabilise(before: np.ndarray, after: np.ndarray, motion: np.ndarray) -> np.ndarray:
    """The frame `after` as the camera of `before` would have seen it; what it cannot know is taken from `before`."""
    height, width = after.shape
    trusted = np.zeros_like(after)
    trusted[MARGIN:-MARGIN, MARGIN:-MARGIN] = 1
    known, seen = (
        cv2.warpPerspective(image, motion, (width, height), flags=how | cv2.WARP_INVERSE_MAP)
        for image, how in ((trusted, cv2.INTER_NEAREST), (after, cv2.INTER_LINEAR))
    )
    return np.where(known, seen, before)
