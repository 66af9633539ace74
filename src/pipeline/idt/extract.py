"""Improved dense trajectories of a video, frame by frame (Wang and Schmid, ICCV 2013).

Memory does not grow with the length of the video.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from pipeline.idt import camera, farneback
from pipeline.idt.trajectories import INFO, LENGTH, Scale

# Columns after the first INFO ones: x, y and t relative to the clip, 0 .. 1.
RELATIVE = 3
# Columns of a trajectory: 10 of position and size, 30 of shape, 96 HOG, 108 HOF, 96 MBHx, 96 MBHy.
COLUMNS = 436


@dataclass
class Frame:
    """What is computed once per frame, for its pairs with the frames before and after it."""

    # Grey, (h, w) uint8 per level of the pyramid.
    images: list[np.ndarray]
    # The polynomials of `farneback.expand`, per level.
    expansion: list[np.ndarray]
    # The points and descriptors of `camera.detect_features`.
    features: tuple[np.ndarray, np.ndarray]

    @classmethod
    def prepare(cls, image: np.ndarray, levels: list) -> "Frame":
        """Compute all three of a grey image, for the `levels` of `farneback.pyramid`."""
        images = [image]
        for _, height, width in levels[1:]:
            images.append(cv2.resize(images[-1], (width, height)))
        return cls(images, farneback.expand(image, levels), camera.detect_features(image))


def trajectories(frames: Iterator[np.ndarray], length: int) -> Iterator[np.ndarray]:
    """Yield, for each frame but the first, the trajectories (n, 436) float32 that end there.

    The columns are those that the original program prints, with pixels of the frames as the unit:

    - the frame of the end (from 0), mean x, mean y, standard deviations of x and y, length of the
      path, scale;
    - x, y and t relative to the clip;
    - the shape: 15 steps (x, y) without camera motion, over their summed length;
    - HOG, HOF, MBHx and MBHy, of 3 x 2 x 2 cells each.

    Args:
        frames: RGB (H, W, 3) or grey (H, W), uint8. For frames too small for a patch of the
            descriptors nothing is yielded.
        length: the number of frames.
    """
    before, scales = None, []
    for number, frame in enumerate(frames):
        image = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) if frame.ndim == 3 else frame
        levels = farneback.pyramid(*image.shape)
        if not levels:
            continue
        after = Frame.prepare(image, levels)
        if before is None:
            scales = [Scale(scale) for scale, *_ in levels]
        else:
            flow = farneback.flow(before.expansion, after.expansion)
            stabilised = camera.stabilise(
                before.images[0], image, _camera_motion(before, after, flow[0])
            )
            warped = farneback.flow(before.expansion, farneback.expand(stabilised, levels))
            ended = [
                scale.advance(*at_scale)
                for scale, *at_scale in zip(scales, before.images, flow, warped, strict=True)
            ]
            yield _add_columns(np.concatenate(ended), number, length, image.shape)
        for scale, level_image in zip(scales, after.images, strict=True):
            scale.sample(level_image)
        before = after


def _camera_motion(before: Frame, after: Frame, flow: np.ndarray) -> np.ndarray:
    """Return the homography (3, 3) of the background, from matched features and tracked corners.

    `flow`: (2, h, w) between the two frames, at full size.
    """
    matched = camera.match_features(before.features, after.features)
    tracked = camera.track_corners(before.images[0], flow)
    return camera.estimate_homography(
        *(np.concatenate(points) for points in zip(matched, tracked, strict=True))
    )


def _add_columns(rows: np.ndarray, number: int, length: int, shape: tuple[int, int]) -> np.ndarray:
    """Return rows (n, 433) of the scales as (n, 436), with frame and relative position.

    `number`: of the frame where they end; `length`: frames of the clip; `shape`: their (H, W).
    """
    result = np.empty((len(rows), COLUMNS), np.float32)
    result[:, :INFO], result[:, INFO + RELATIVE :] = rows[:, :INFO], rows[:, INFO:]
    result[:, 0] = number
    result[:, INFO] = rows[:, 1] / shape[1]
    result[:, INFO + 1] = rows[:, 2] / shape[0]
    result[:, INFO + 2] = (number - LENGTH / 2) / length
    result[:, INFO : INFO + RELATIVE] = result[:, INFO : INFO + RELATIVE].clip(0, 0.999)
    return result
