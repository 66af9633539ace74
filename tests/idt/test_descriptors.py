"""HOG, HOF and MBH against sums over pixels in float64."""

import numpy as np
import pytest

from pipeline.idt import descriptors

RNG = np.random.default_rng(1)
IMAGE = RNG.integers(0, 256, (50, 60), dtype=np.uint8)
FLOW = RNG.normal(0, 1, (2, 50, 60)).astype(np.float32)


def differences(plane: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    plane = plane.astype(float)
    x, y = np.zeros_like(plane), np.zeros_like(plane)
    x[:, 1:-1], y[1:-1] = plane[:, 2:] - plane[:, :-2], plane[2:] - plane[:-2]
    return x, y


def by_hand(x: np.ndarray, y: np.ndarray, left: int, top: int, still: bool) -> np.ndarray:
    """The normalised histograms of 2 x 2 cells of 16 pixels, by loops over pixels.

    Cells of one column follow one another.
    """
    cells = np.zeros((2, 2, 8 + still))
    for row in range(32):
        for column in range(32):
            vx, vy = float(x[top + row, left + column]), float(y[top + row, left + column])
            cell, length = cells[column // 16, row // 16], np.hypot(vx, vy)
            if still and length <= 0.4:
                cell[8] += 1
                continue
            position = np.arctan2(vy, vx) % (2 * np.pi) / (2 * np.pi) * 8
            lower = int(position) % 8
            cell[lower] += length * (1 - position % 1)
            cell[(lower + 1) % 8] += length * (position % 1)
    cells += 0.05
    return np.sqrt(cells / cells.sum()).ravel()


@pytest.mark.parametrize(
    "x, y, left, top", [(30, 25, 14, 9), (0, 0, 0, 0), (59, 49, 28, 18), (40, 3, 24, 0)]
)
def test_histograms_of_a_point(x, y, left, top):
    fields = [differences(IMAGE), FLOW, differences(FLOW[0]), differences(FLOW[1])]
    sums = descriptors.integral_histograms(IMAGE, FLOW)
    assert [(array.shape, array.dtype) for array in sums] == [
        ((51, 61, bins), np.float32) for bins in (8, 9, 8, 8)
    ]
    _, values = descriptors.describe(sums, np.array([(7, 7), (x, y)]))
    expected = [
        by_hand(*field, left, top, still=number == 1) for number, field in enumerate(fields)
    ]
    assert values == pytest.approx(np.concatenate(expected), abs=2e-4)
    assert (values**2).sum() == pytest.approx(4, abs=1e-5)


def test_whole_picture_adds_up():
    length = np.hypot(*FLOW.astype(float))
    hof = descriptors.integral_histograms(IMAGE, FLOW)[1][-1, -1].astype(float)
    assert hof[:8].sum() == pytest.approx(length[length > 0.4].sum(), rel=1e-4)
    assert hof[8] == (length <= 0.4).sum() > 0


def test_nothing_there_is_spread_evenly():
    flat, still = np.full((40, 40), 9, np.uint8), np.zeros((2, 40, 40), np.float32)
    (values,) = descriptors.describe(
        descriptors.integral_histograms(flat, still), np.array([(20, 20)])
    )
    hog, hof, mbh = np.split(values, [32, 68])
    assert hog == pytest.approx(np.full(32, np.sqrt(1 / 32))) and mbh == pytest.approx(
        np.full(64, np.sqrt(1 / 32))
    )
    assert hof.reshape(4, 9)[:, 8] ** 2 == pytest.approx(np.full(4, 256.05 / (4 * 256 + 36 * 0.05)))


@pytest.mark.parametrize("angle", [0, 45, 90, 180, 270, 315, 359.999])
def test_a_direction_falls_into_its_bin(angle):
    turn = np.deg2rad(angle)
    flow = np.full((2, 40, 40), 0, np.float32) + np.array(
        [[[np.cos(turn)]], [[np.sin(turn)]]], np.float32
    )
    hof = descriptors.integral_histograms(np.zeros((40, 40), np.uint8), flow)[1][-1, -1]
    assert hof.argmax() == round(angle / 45) % 8 and hof.max() == pytest.approx(1600, rel=1e-2)
