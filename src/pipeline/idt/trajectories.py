"""Points sampled densely at one scale and followed for 15 frames, with descriptors around them.

Wang and Schmid, ICCV 2013; sampling and descriptors as in Wang, Klaeser, Schmid, Liu, IJCV 2013.
"""

import cv2
import numpy as np

from pipeline.idt import descriptors

# Steps of a trajectory, each from one frame to the next.
LENGTH = 15
# Pixels between sampled points.
GRID = 5
# Of a sampled point the smaller eigenvalue of the structure tensor is larger than this share of the
# picture's largest.
QUALITY = 0.001
# Temporal cells of a descriptor, and steps per cell.
TEMPORAL_CELLS = 3
STEPS_PER_CELL = LENGTH // TEMPORAL_CELLS
# Pixels; standard deviation along an axis. A trajectory below the first on both axes is static, one
# above the second on either is erratic.
MIN_SPREAD, MAX_SPREAD = np.sqrt(3), 50.0
# A step of more pixels that is more than this share of the whole path is a tracking error.
MAX_STEP, MAX_STEP_SHARE = 20.0, 0.7
# Pixels; a point without a longer step relative to the camera belongs to the background.
MIN_MOTION = 1.0
# Values before the shape that are known at a scale: frame, mean x and y, spread of x and y, path
# length, scale.
INFO = 7
SHAPE = 2 * LENGTH


class Scale:
    """The points that are followed at one scale of the frames.

    `scale` is the factor from pixels at this scale to pixels of the full frame. Of n points:

    - `steps` (n,): how many steps each has made;
    - `paths` (n, 16, 2): its positions so far, x and y;
    - `motions` (n, 15, 2): its steps so far, relative to the camera;
    - `histograms` (n, 3, descriptors.SIZE): summed descriptors per temporal cell.
    """

    def __init__(self, scale: np.float32):
        self.scale = scale
        self.steps = np.empty(0, int)
        self.paths = np.empty((0, LENGTH + 1, 2), np.float32)
        self.motions = np.empty((0, LENGTH, 2), np.float32)
        self.histograms = np.empty((0, TEMPORAL_CELLS, descriptors.SIZE), np.float32)

    def positions(self) -> np.ndarray:
        """Return where the points are now, (n, 2), x and y."""
        return self.paths[np.arange(len(self.steps)), self.steps]

    def sample(self, image: np.ndarray) -> None:
        """Start to follow the textured grid points in all cells without a followed point.

        `image`: grey, (h, w) uint8. A grid point is the centre of a cell of GRID x GRID pixels.
        """
        strength = cv2.cornerMinEigenVal(image, 3, ksize=3)
        rows, columns = image.shape[0] // GRID, image.shape[1] // GRID
        # (rows, columns)
        free = (
            strength[GRID // 2 :: GRID, GRID // 2 :: GRID][:rows, :columns]
            > strength.max() * QUALITY
        )
        x, y = self.positions().astype(int).T // GRID
        # Beyond the last whole cell there is none to take.
        in_grid = (x < columns) & (y < rows)
        free[y[in_grid], x[in_grid]] = False
        points = np.argwhere(free)[:, ::-1] * GRID + GRID // 2
        count = len(self.steps) + len(points)
        for name in ("steps", "paths", "motions", "histograms"):
            old = getattr(self, name)
            new = np.zeros((count, *old.shape[1:]), old.dtype)
            new[: len(old)] = old
            setattr(self, name, new)
        self.paths[count - len(points) :, 0] = points

    def advance(self, image: np.ndarray, flow: np.ndarray, warped: np.ndarray) -> np.ndarray:
        """Follow all points by one step; returns the trajectories that end, as `_finish` does.

        Points that leave the picture are dropped.

        Args:
            image: the grey frame (h, w) uint8 that the step starts from.
            flow: its flow (2, h, w) in pixels, x then y.
            warped: its flow (2, h, w) without the camera's motion.
        """
        height, width = image.shape
        indices, start = np.arange(len(self.steps)), self.positions()
        x, y = pixels = np.rint(start).astype(int).clip(0, (width - 1, height - 1)).T
        self.histograms[indices, self.steps // STEPS_PER_CELL] += descriptors.describe(
            descriptors.integral_histograms(image, warped), pixels.T
        )
        self.motions[indices, self.steps] = warped[:, y, x].T
        self.steps += 1
        self.paths[indices, self.steps] = end = start + flow[:, y, x].T
        inside = ((end > 0) & (end < (width, height))).all(axis=1)
        ended = inside & (self.steps == LENGTH)
        rows = _finish(self.paths[ended], self.motions[ended], self.histograms[ended], self.scale)
        for name in ("steps", "paths", "motions", "histograms"):
            setattr(self, name, getattr(self, name)[inside & ~ended])
        return rows


def _finish(
    paths: np.ndarray, motions: np.ndarray, histograms: np.ndarray, scale: np.float32
) -> np.ndarray:
    """Drop static and erratic trajectories and those that follow the camera; returns the others.

    Args:
        paths: (n, 16, 2) positions, in pixels of the scale.
        motions: (n, 15, 2) steps relative to the camera.
        histograms: (n, 3, descriptors.SIZE) descriptors per temporal cell, summed over its steps.
        scale: the factor to pixels of the full frame.

    Returns:
        (m, 433) float32 in pixels of the full frame: INFO values, of which the frame is 0 as yet,
        SHAPE values, and mean histograms by descriptor and, within one, by temporal cell.
    """
    paths, motions = paths * scale, motions * scale
    # (n, 2)
    spread = paths.std(axis=1)
    # (n, 15) each
    steps, lengths = (
        np.hypot(*np.moveaxis(vectors, 2, 0)) for vectors in (np.diff(paths, axis=1), motions)
    )
    path_length, longest = steps.sum(axis=1), steps.max(axis=1)
    kept = (
        (spread >= MIN_SPREAD).any(axis=1)
        & (spread <= MAX_SPREAD).all(axis=1)
        & ((longest <= MAX_STEP) | (longest <= MAX_STEP_SHARE * path_length))
        & (lengths.max(axis=1) > MIN_MOTION)
    )
    paths, spread, path_length, lengths, motions, histograms = (
        array[kept] for array in (paths, spread, path_length, lengths, motions, histograms)
    )
    count = len(paths)
    parts = [
        np.zeros((count, 1)),
        paths.mean(axis=1),
        spread,
        path_length[:, None],
        np.full((count, 1), scale),
        # (m, 15, 2) to (m, 30): x1, y1, x2, y2, ...
        (motions / lengths.sum(axis=1)[:, None, None]).reshape(count, SHAPE),
    ]
    for start, end in zip(descriptors.OFFSETS, descriptors.OFFSETS[1:], strict=False):
        # (m, 3, size) to (m, 3 size): the temporal cells of a descriptor follow one another.
        values = histograms[:, :, start:end].reshape(count, TEMPORAL_CELLS * (end - start))
        parts.append(values / STEPS_PER_CELL)
    return np.concatenate(parts, axis=1, dtype=np.float32)
