"""Improved dense trajectories of a video, frame by frame: memory does not grow with its length (Wang, Schmid, ICCV 2013)."""

from collections.abc import Iterator

import cv2
import numpy as np

from pipeline.idt import camera, farneback
from pipeline.idt.trajectories import INFO, LENGTH, Scale

PLACES = 3  # values after the first 7: x, y and t relative to the clip, 0 .. 1
COLUMNS = 436  # 10 of place and size, 30 of shape, 96 HOG, 108 HOF, 96 MBHx, 96 MBHy


def trajectories(images: Iterator[np.ndarray], length: int) -> Iterator[np.ndarray]:
    """Yield for each grey uint8 image (H, W) but the first the trajectories that end there, (n, 436) float32.

    Columns as the original program prints them: frame of the end (from 0), mean x, mean y, standard deviations of x and y,
    length of the path, scale, then x, y and t relative to the clip of `length` frames; the shape, 15 steps (x, y) without
    camera motion over their summed length; HOG, HOF, MBHx, MBHy, 3 x 2 x 2 cells each. Pixels are those of the images.
    """
    levels, scales = [], []
    for number, image in enumerate(images):
        if number == 0:
            levels = farneback.pyramid(*image.shape)
            scales = [Scale(scale) for scale, _, _ in levels]
        elif not levels:
            yield np.empty((0, COLUMNS), np.float32)
            continue
        if not levels:
            continue
        after = [image]
        for _, height, width in levels[1:]:
            after.append(cv2.resize(after[-1], (width, height)))
        expanded, found = farneback.expand(image, levels), camera.features(image)
        if number:
            flow = farneback.flow(expanded_before, expanded)
            motion = camera.homography(*map(np.concatenate, zip(camera.match(found_before, found),
                                                                camera.carried(before[0], flow[0]), strict=True)))
            still = camera.stabilise(before[0], image, motion)
            warped = farneback.flow(expanded_before, farneback.expand(still, levels))
            ended = [scale.advance(*of_scale) for scale, *of_scale in zip(scales, before, flow, warped, strict=True)]
            yield _columns(np.concatenate(ended), number, length, image.shape)
        for scale, picture in zip(scales, after, strict=True):
            scale.sample(picture)
        before, expanded_before, found_before = after, expanded, found


def _columns(rows: np.ndarray, frame: int, length: int, shape: tuple[int, int]) -> np.ndarray:
    """Rows (n, 433) of the scales as (n, 436), with the frame and the places relative to the clip."""
    result = np.empty((len(rows), COLUMNS), np.float32)
    result[:, :INFO], result[:, INFO + PLACES:] = rows[:, :INFO], rows[:, INFO:]
    result[:, 0] = frame
    result[:, INFO] = rows[:, 1] / shape[1]
    result[:, INFO + 1] = rows[:, 2] / shape[0]
    result[:, INFO + 2] = (frame - LENGTH / 2) / length
    result[:, INFO:INFO + PLACES] = result[:, INFO:INFO + PLACES].clip(0, 0.999)
    return result
