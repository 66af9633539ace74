"""OpenCV's solver and ours: the same flow, the same energy, as near to published ground truth."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from pipeline.flow import levels, tvl1


def frames_of(path: Path, count: int) -> list[np.ndarray]:
    """Return the first grey frames of a video, by OpenCV's decoder."""
    video = cv2.VideoCapture(str(path))
    return [cv2.cvtColor(video.read()[1], cv2.COLOR_BGR2GRAY) for _ in range(count)]


@pytest.fixture(scope="module")
def genuine(shared) -> list[tuple[np.ndarray, np.ndarray]]:
    """One pair of frames from each of six UCF101 clips, 320 x 240 pixels."""
    videos = shared / "ucf101_6class" / "videos"
    clips = [sorted(folder.iterdir())[20] for folder in sorted(videos.iterdir())]
    return [tuple(frames_of(clip, 31)[-2:]) for clip in clips]


def energy(
    first: np.ndarray, second: np.ndarray, field: np.ndarray, lambda_: float = 0.15
) -> float:
    """Return the TV-L1 energy in float64: sum |grad u| + |grad v| + lambda |I1(x + u) - I0(x)|.

    The second term is summed over the pixels whose x + u lies inside the image.
    """
    height, width = first.shape
    y, x = np.mgrid[:height, :width].astype(np.float32)
    warped = cv2.remap(
        second.astype(np.float32), x + field[..., 0], y + field[..., 1], cv2.INTER_CUBIC
    )
    inside = np.logical_and.reduce(
        [
            x + field[..., 0] >= 0,
            x + field[..., 0] <= width - 1,
            y + field[..., 1] >= 0,
            y + field[..., 1] <= height - 1,
        ]
    )
    data = np.abs(warped.astype(float) - first)[inside].sum()
    c = field.astype(float)
    total = np.hypot(np.diff(c, axis=1, append=c[:, -1:]), np.diff(c, axis=0, append=c[-1:])).sum()
    return total + lambda_ * data


def test_same_flow_as_opencv_on_genuine_clips(genuine):
    """All pairs together have nearly the same flow, bytes and energy.

    Where almost nothing moves, a last bit can decide a few pixels of one pair, and with them its
    energy.
    """
    apart, bytes_apart, energies = [], [], []
    for first, second in genuine:
        theirs, ours = (tvl1.tvl1(first, second, backend=backend) for backend in ("opencv", "cpu"))
        apart.append(np.hypot(*np.moveaxis(theirs - ours, -1, 0)))
        bytes_apart.append(np.abs(levels.quantise(theirs).astype(int) - levels.quantise(ours)))
        energies.append([energy(first, second, field) for field in (theirs, ours)])
    theirs, ours = np.sum(energies, axis=0)
    assert ours <= 1.01 * theirs
    assert np.mean(apart) <= 0.05 and np.percentile(apart, 99) <= 0.5
    assert (
        np.mean(np.array(bytes_apart) == 0) >= 0.9 and np.mean(np.array(bytes_apart) <= 1) >= 0.995
    )


def ground_truth(path: Path) -> np.ndarray:
    """Read a Middlebury .flo file: 'PIEH', width, height, then u, v by row."""
    content = path.read_bytes()
    assert content[:4] == b"PIEH"
    width, height = np.frombuffer(content[4:12], np.int32)
    return np.frombuffer(content[12:], np.float32).reshape(height, width, 2)


def test_as_near_to_the_truth_as_opencv(shared):
    """On one pair of Middlebury's; benchmarks/flow.py measures all eight."""
    folder = shared / "middlebury_flow"
    first, second = (
        cv2.imread(str(folder / "other-data" / "Venus" / f"frame{n}.png"), cv2.IMREAD_GRAYSCALE)
        for n in (10, 11)
    )
    truth = ground_truth(folder / "other-gt-flow" / "Venus" / "flow10.flo")
    known = (np.abs(truth) < 1e9).all(axis=-1)
    errors = [
        np.hypot(*np.moveaxis(tvl1.tvl1(first, second, backend=backend) - truth, -1, 0))[
            known
        ].mean()
        for backend in ("opencv", "cpu")
    ]
    assert 0.1 < errors[0] < 1 and abs(errors[1] / errors[0] - 1) <= 0.02
