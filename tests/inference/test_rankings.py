"""The teacher's rankings: those of each position, and the file that holds them."""

import hashlib

import h5py
import numpy as np
import pytest
import torch
from inference_cases import (
    CPU,
    ROWS,
)

from pipeline.data import groups, transforms
from pipeline.inference.rankings import rank_clips, write_rankings


def teacher(x: torch.Tensor) -> torch.Tensor:
    """Logits (n, 7) of a few pixels; two of them are the same."""
    return x[:, [0, 0, 0, 1, 1, 0, 0], [3, 5, 7, 3, 5, 3, 9], 5]


class Teacher(torch.nn.Module):
    forward = staticmethod(teacher)


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("stride", [1, 4])
def test_rankings_are_those_of_each_position(streams, stride, workers):
    for stream in streams.values():
        found = list(rank_clips(Teacher(), stream, ROWS, 5, stride, 3, CPU, workers))
        assert len(found) == len(ROWS)
        for row, ranked in zip(ROWS, found, strict=True):
            positions = range(0, stream.last_instant(row) + 1, stride)
            assert ranked.shape == (len(positions), 5) and ranked.dtype == np.uint16
            pixels = torch.from_numpy(
                np.stack([stream(row, t, stream.centre_crop()) for t in positions])
            )
            expected = groups.rank(teacher(transforms.normalise(pixels, stream.name)), 5)
            np.testing.assert_array_equal(ranked, expected.numpy())


def test_rankings_are_written_and_counted(tmp_path):
    """Class 2 is ranked first, last and not at all in one clip, class 0 second in the other."""
    rows = [{"clip": "Jump/a b", "label": 2}, {"clip": "Bow/c", "label": 0}]
    rankings = [
        np.array([[2, 1, 0], [1, 0, 2], [3, 1, 0]], np.uint16),
        np.array([[1, 0, 2]], np.uint16),
    ]
    path, classes = tmp_path / "groups.h5", ["Bow", "Run", "Jump", "Sit"]
    digest, hits = write_rankings(path, rows, iter(rankings), classes, 3, {"key": 1}, "c0de")
    assert digest == hashlib.sha256(b"".join(map(bytes, rankings))).hexdigest()[:16]
    assert hits.positions == 4
    assert [hits.share(size) for size in (1, 2, 3)] == [0.25, 0.5, 0.75]
    with h5py.File(path) as file:
        assert [name.decode() for name in file.attrs["classes"]] == classes
        assert (file["Jump/a%20b"][...] == rankings[0]).all()
        assert (file["Bow/c"][...] == rankings[1]).all()
        assert dict(file["Jump/a%20b"].attrs) == {"clip": "Jump/a b", "label": 2}
