"""Points sampled densely at one scale and followed for 15 steps, with what is seen around them (Wang, Schmid, ICCV 2013)."""

import cv2
import numpy as np
from numba import njit

from pipeline.idt import descriptors

LENGTH = 15  # steps of a trajectory
GRID = 5  # pixels between sampled points
QUALITY = 0.001  # of a sampled point's smaller eigenvalue, relative to the picture's largest
SLICES = 3  # temporal cells
STEPS = LENGTH // SLICES  # steps of a cell
LEAST_SPREAD, MOST_SPREAD = np.float32(np.sqrt(3)), np.float32(50)  # pixels, standard deviation along an axis
LEAPS, LEAP_SHARE = np.float32(20), np.float32(0.7)  # a step over 20 px that is most of the way is a tracking error
MOVES = np.float32(1)  # pixels; without a longer step against the camera's motion a point belongs to the background
INFO = 7  # values before the shape that a scale knows: frame, mean x, y, spread x, y, path length, scale
SHAPE = 2 * LENGTH
_EDGES = np.cumsum((0, *(descriptors.CELLS**2 * bins for bins in descriptors.HISTOGRAMS)))  # of HOG, HOF, MBHx, MBHy


class Scale:
    """The points that are followed at one scale of the frames."""

    def __init__(self, scale: np.float32):
        self.scale, self.count = scale, 0
        self._reserve(1024)

    def _reserve(self, capacity: int) -> None:
        """Make room for `capacity` points, keeping those there are."""
        old = self.__dict__.get("arrays")
        self.arrays = (np.zeros(capacity, np.int32),  # steps made
                       np.zeros((capacity, LENGTH + 1, 2), np.float32),  # places, x and y
                       np.zeros((capacity, LENGTH, 2), np.float32),  # steps against the camera's motion
                       np.zeros((capacity, SLICES, descriptors.WIDTH), np.float32))  # sums of histograms
        if old:
            for new, kept in zip(self.arrays, old, strict=True):
                new[:self.count] = kept[:self.count]

    def sample(self, image: np.ndarray) -> None:
        """Follow the grid points of a grey image (h, w) that have texture and lie in a cell without a followed point."""
        strength = cv2.cornerMinEigenVal(image, 3, ksize=3)
        rows, columns = image.shape[0] // GRID, image.shape[1] // GRID
        steps, places = self.arrays[:2]
        at = np.floor(places[np.arange(self.count), steps[:self.count]]).astype(int) // GRID  # (n, x and y)
        at = at[(at[:, 0] < columns) & (at[:, 1] < rows)]
        free = strength[GRID // 2::GRID, GRID // 2::GRID][:rows, :columns] > strength.max() * QUALITY  # (rows, columns)
        free[at[:, 1], at[:, 0]] = False
        fresh = np.argwhere(free)[:, ::-1] * GRID + GRID // 2
        end = self.count + len(fresh)
        if end > len(self.arrays[0]):
            self._reserve(max(end, 2 * len(self.arrays[0])))
        steps, places, _, sums = self.arrays
        steps[self.count:end], places[self.count:end, 0], sums[self.count:end] = 0, fresh, 0
        self.count = end

    def advance(self, image: np.ndarray, flow: np.ndarray, warped: np.ndarray) -> np.ndarray:
        """Follow all points one step; returns the finished trajectories, one row each of 6 + 1 + 30 + 396 values.

        `image`: the grey frame (h, w) that the step starts from, `flow` its flow (2, h, w), `warped` its flow without the
        camera's motion. Values are in pixels of the full frame.
        """
        finished = np.empty((self.count, INFO + SHAPE + SLICES * descriptors.WIDTH), np.float32)
        self.count, number = _advance(self.count, *self.arrays, flow, warped, *descriptors.integrals(image, warped),
                                      self.scale, finished)
        return finished[:number]


@njit(cache=True, error_model="numpy")
def _advance(count, steps, places, moves, sums, flow, warped, hog, hof, mbh_x, mbh_y, scale, finished):
    """`Scale.advance`; returns how many points are still followed and how many rows of `finished` are filled."""
    _, height, width = flow.shape
    seen = np.empty(descriptors.WIDTH, np.float32)
    number = i = 0
    while i < count:
        step = steps[i]
        place_x, place_y = places[i, step]
        x = min(max(int(np.rint(place_x)), 0), width - 1)
        y = min(max(int(np.rint(place_y)), 0), height - 1)
        next_x, next_y = place_x + flow[0, y, x], place_y + flow[1, y, x]
        inside = 0 < next_x < width and 0 < next_y < height
        if inside:
            descriptors.describe(hog, x, y, seen[_EDGES[0]:_EDGES[1]])
            descriptors.describe(hof, x, y, seen[_EDGES[1]:_EDGES[2]])
            descriptors.describe(mbh_x, x, y, seen[_EDGES[2]:_EDGES[3]])
            descriptors.describe(mbh_y, x, y, seen[_EDGES[3]:_EDGES[4]])
            for v in range(len(seen)):
                sums[i, step // STEPS, v] += seen[v]
            moves[i, step, 0], moves[i, step, 1] = warped[0, y, x], warped[1, y, x]
            step += 1
            places[i, step, 0], places[i, step, 1] = next_x, next_y
            steps[i] = step
            if step == LENGTH:
                number += _finish(places[i], moves[i], sums[i], scale, finished[number])
        if inside and step < LENGTH:
            i += 1
        else:  # the last point takes its row
            count -= 1
            steps[i], places[i], moves[i], sums[i] = steps[count], places[count], moves[count], sums[count]
    return count, number


@njit(cache=True, error_model="numpy")
def _finish(places, moves, sums, scale, row):
    """Write a trajectory into `row`, but for its frame; 0 where it is static, erratic or follows the camera, else 1."""
    path = places * scale  # (LENGTH + 1, 2)
    mean_x, mean_y = path[:, 0].mean(), path[:, 1].mean()
    spread_x, spread_y = path[:, 0].std(), path[:, 1].std()
    if (spread_x < LEAST_SPREAD and spread_y < LEAST_SPREAD) or spread_x > MOST_SPREAD or spread_y > MOST_SPREAD:
        return 0
    way = longest = np.float32(0)
    for t in range(LENGTH):
        step = np.sqrt((path[t + 1, 0] - path[t, 0]) ** 2 + (path[t + 1, 1] - path[t, 1]) ** 2)
        way += step
        longest = max(longest, step)
    if longest > LEAPS and longest > way * LEAP_SHARE:
        return 0
    moved = farthest = np.float32(0)
    for t in range(LENGTH):
        step = np.sqrt(moves[t, 0] ** 2 + moves[t, 1] ** 2) * scale
        moved += step
        farthest = max(farthest, step)
    if farthest <= MOVES:
        return 0
    row[1], row[2], row[3], row[4], row[5], row[6] = mean_x, mean_y, spread_x, spread_y, way, scale
    for t in range(LENGTH):
        row[INFO + 2 * t], row[INFO + 2 * t + 1] = moves[t, 0] * scale / moved, moves[t, 1] * scale / moved
    at = INFO + SHAPE
    for part in range(len(_EDGES) - 1):
        for cell in range(SLICES):
            for v in range(_EDGES[part], _EDGES[part + 1]):
                row[at] = sums[cell, v] / np.float32(STEPS)
                at += 1
    return 1
