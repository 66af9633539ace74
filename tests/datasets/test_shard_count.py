"""The shards of a set whose config does not say how many."""

import pytest

from pipeline.datasets import shard_count


@pytest.mark.parametrize(
    "clips, count",
    # UCF101 has 13,320 clips, HMDB51 6,766: 104 and 106 a shard.
    [(1, 8), (70, 8), (1024, 8), (1025, 16), (6766, 64), (13320, 128)],
)
def test_shards_double_with_the_clips(clips, count):
    assert shard_count.default(clips) == count
