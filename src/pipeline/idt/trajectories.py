"""Points sampled densely at one scale and followed for 15 steps, with what is seen around them (Wang, Schmid, ICCV 2013)."""

import cv2
import numpy as np

from pipeline.idt import descriptors

LENGTH = 15  # steps of a trajectory
GRID = 5  # pixels between sampled points
QUALITY = 0.001  # of a sampled point's smaller eigenvalue, relative to the picture's largest
SLICES = 3  # temporal cells
STEPS = LENGTH // SLICES  # steps of a cell
LEAST_SPREAD, MOST_SPREAD = np.sqrt(3), 50.0  # pixels, standard deviation along an axis
LEAP, LEAP_SHARE = 20.0, 0.7  # a step over 20 px that is over 0.7 of the way is a tracking error
MOVE = 1.0  # pixels; without a longer step against the camera's motion a point belongs to the background
INFO = 7  # values before the shape that a scale knows: frame, mean x, y, spread x, y, path length, scale
SHAPE = 2 * LENGTH


class Scale:
    """The points that are followed at one scale of the frames."""

    def __init__(self, scale: np.float32):
        self.scale = scale
        self.steps = np.empty(0, int)  # made by each point
        self.places = np.empty((0, LENGTH + 1, 2), np.float32)  # x and y
        self.moves = np.empty((0, LENGTH, 2), np.float32)  # steps against the camera's motion
        self.sums = np.empty((0, SLICES, descriptors.WIDTH), np.float32)  # of histograms

    def here(self) -> np.ndarray:
        """Where the points are, (n, 2), x and y."""
        return self.places[np.arange(len(self.steps)), self.steps]

    def sample(self, image: np.ndarray) -> None:
        """Follow the grid points of a grey image (h, w) that have texture and lie in a cell without a followed point."""
        strength = cv2.cornerMinEigenVal(image, 3, ksize=3)
        rows, columns = image.shape[0] // GRID, image.shape[1] // GRID
        free = (
            strength[GRID // 2 :: GRID, GRID // 2 :: GRID][:rows, :columns]
            > strength.max() * QUALITY
        )  # (rows, columns)
        x, y = self.here().astype(int).T // GRID
        taken = (x < columns) & (y < rows)
        free[y[taken], x[taken]] = False
        places = np.argwhere(free)[:, ::-1] * GRID + GRID // 2
        count = len(self.steps) + len(places)
        for name in ("steps", "places", "moves", "sums"):
            old = getattr(self, name)
            new = np.zeros((count, *old.shape[1:]), old.dtype)
            new[: len(old)] = old
            setattr(self, name, new)
        self.places[count - len(places) :, 0] = places

    def advance(self, image: np.ndarray, flow: np.ndarray, warped: np.ndarray) -> np.ndarray:
        """Follow all points one step; returns the trajectories that end, as `_finished`.

        `image`: the grey frame (h, w) that the step starts from, `flow` its flow (2, h, w), `warped` its flow without the
        camera's motion. Points that leave the picture are forgotten.
        """
        height, width = image.shape
        every, here = np.arange(len(self.steps)), self.here()
        x, y = pixels = np.rint(here).astype(int).clip(0, (width - 1, height - 1)).T
        self.sums[every, self.steps // STEPS] += descriptors.describe(
            descriptors.integrals(image, warped), pixels.T
        )
        self.moves[every, self.steps] = warped[:, y, x].T
        self.steps += 1
        self.places[every, self.steps] = there = here + flow[:, y, x].T
        inside = ((there > 0) & (there < (width, height))).all(axis=1)
        ended = inside & (self.steps == LENGTH)
        rows = _finished(self.places[ended], self.moves[ended], self.sums[ended], self.scale)
        for name in ("steps", "places", "moves", "sums"):
            setattr(self, name, getattr(self, name)[inside & ~ended])
        return rows


def _finished(
    places: np.ndarray, moves: np.ndarray, sums: np.ndarray, scale: np.float32
) -> np.ndarray:
    """Rows (m, 433) of those trajectories that are neither static nor erratic and do not follow the camera.

    `places` (n, 16, 2), `moves` (n, 15, 2), `sums` (n, 3, 132). A row has INFO values, of which the frame is left 0, SHAPE
    values and the means of the histograms by descriptor and temporal cell. It is in pixels of the full frame.
    """
    path, moves = places * scale, moves * scale
    spread = path.std(axis=1)  # (n, 2)
    steps, pushes = (
        np.hypot(*np.moveaxis(vectors, 2, 0)) for vectors in (np.diff(path, axis=1), moves)
    )  # (n, 15)
    way, longest = steps.sum(axis=1), steps.max(axis=1)
    kept = (
        (spread >= LEAST_SPREAD).any(axis=1)
        & (spread <= MOST_SPREAD).all(axis=1)
        & ((longest <= LEAP) | (longest <= LEAP_SHARE * way))
        & (pushes.max(axis=1) > MOVE)
    )
    path, spread, way, pushes, moves, sums = (
        array[kept] for array in (path, spread, way, pushes, moves, sums)
    )
    none, sizes = np.zeros((len(path), 1)), np.full((len(path), 1), scale)
    parts = [
        none,
        path.mean(axis=1),
        spread,
        way[:, None],
        sizes,
        (moves / pushes.sum(axis=1)[:, None, None]).reshape(len(path), SHAPE),
    ]  # x1 y1 x2 y2 ..
    for start, end in zip(descriptors.EDGES, descriptors.EDGES[1:], strict=False):
        parts.append(
            sums[:, :, start:end].reshape(len(path), SLICES * (end - start)) / STEPS
        )  # by temporal cell
    return np.concatenate(parts, axis=1, dtype=np.float32)
