"""Improved dense trajectories of a video, frame by frame: memory does not grow with its length (Wang, Schmid, ICCV 2013)."""

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from pipeline.idt import camera, farneback
from pipeline.idt.trajectories import INFO, LENGTH, Scale

PLACES = 3  # values after the first 7: x, y and t relative to the clip, 0 .. 1
COLUMNS = 436  # 10 of place and size, 30 of shape, 96 HOG, 108 HOF, 96 MBHx, 96 MBHy


@dataclass
class Frame:
    """What the pairs of a frame with the one before and the one after it need."""

    pictures: list[np.ndarray]  # grey, at each level
    expansion: list[np.ndarray]
    features: tuple[np.ndarray, np.ndarray]

    @classmethod
    def of(cls, image: np.ndarray, levels: list) -> "Frame":
        pictures = [image]
        for _, height, width in levels[1:]:
            pictures.append(cv2.resize(pictures[-1], (width, height)))
        return cls(pictures, farneback.expand(image, levels), camera.features(image))


def trajectories(frames: Iterator[np.ndarray], length: int) -> Iterator[np.ndarray]:
    """Yield for each frame but the first the trajectories that end there, (n, 436) float32; nothing for tiny frames.

    `frames`: RGB (H, W, 3) or grey (H, W), uint8; `length`: how many they are.
    Columns as the original program prints them: frame of the end (from 0), mean x, mean y, standard deviations of x and y,
    length of the path, scale, then x, y and t relative to the clip; the shape, 15 steps (x, y) without camera motion over
    their summed length; HOG, HOF, MBHx, MBHy, 3 x 2 x 2 cells each. Pixels are those of the frames.
    """
    before, scales = None, []
    for number, frame in enumerate(frames):
        image = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) if frame.ndim == 3 else frame
        levels = farneback.pyramid(*image.shape)
        if not levels:  # no patch fits into the frames
            continue
        after = Frame.of(image, levels)
        if before is None:
            scales = [Scale(scale) for scale, *_ in levels]
        else:
            flow = farneback.flow(before.expansion, after.expansion)
            still = camera.stabilise(
                before.pictures[0], image, _camera_motion(before, after, flow[0])
            )
            warped = farneback.flow(before.expansion, farneback.expand(still, levels))
            ended = [
                scale.advance(*at_scale)
                for scale, *at_scale in zip(scales, before.pictures, flow, warped, strict=True)
            ]
            yield _columns(np.concatenate(ended), number, length, image.shape)
        for scale, picture in zip(scales, after.pictures, strict=True):
            scale.sample(picture)
        before = after


def _camera_motion(before: Frame, after: Frame, flow: np.ndarray) -> np.ndarray:
    """The homography (3, 3) that the still ground follows, by features that match and corners that the flow carries."""
    pairs = camera.match(before.features, after.features), camera.carried(before.pictures[0], flow)
    return camera.homography(*(np.concatenate(places) for places in zip(*pairs, strict=True)))


def _columns(rows: np.ndarray, frame: int, length: int, shape: tuple[int, int]) -> np.ndarray:
    """Rows (n, 433) of the scales as (n, 436), with the frame and the places relative to the clip."""
    result = np.empty((len(rows), COLUMNS), np.float32)
    result[:, :INFO], result[:, INFO + PLACES :] = rows[:, :INFO], rows[:, INFO:]
    result[:, 0] = frame
    result[:, INFO] = rows[:, 1] / shape[1]
    result[:, INFO + 1] = rows[:, 2] / shape[0]
    result[:, INFO + 2] = (frame - LENGTH / 2) / length
    result[:, INFO : INFO + PLACES] = result[:, INFO : INFO + PLACES].clip(0, 0.999)
    return result
