"""The clips of a data set: digests of subsets, and shards."""

import re

import pytest
from dataset_cases import LISTS

from pipeline.datasets import hmdb51, ucf101


def test_digest_follows_clips_and_labels(lists):
    swapped = {
        "classInd": "1 Jump\n2 Run\n",
        "trainlist01": re.sub(r" (\d)", lambda m: f" {3 - int(m[1])}", LISTS["trainlist01"]),
    }
    fewer = {"trainlist01": LISTS["trainlist01"].replace("Run/v_Run_g01_c02.avi 1\n", "")}
    other = {"trainlist01": LISTS["trainlist01"].replace("Jump_g01_c01", "Jump_g01_c03")}
    changes = [{}, swapped, fewer, other]
    read = [
        ucf101.read("set", lists(str(number), **changed)) for number, changed in enumerate(changes)
    ]
    assert len({clip_set.digest("split1", "train") for clip_set in read}) == 4
    tests = [clip_set.digest("split1", "test") for clip_set in read]
    assert tests[0] == tests[2] == tests[3] != tests[1]


@pytest.mark.parametrize(
    "read, folder, count",
    [(ucf101.read, "ucfTrainTestlist", 100), (hmdb51.read, "testTrainMulti_7030_splits", 50)],
)
def test_shards_are_even_and_keep_groups_together(shared, read, folder, count):
    clip_set = read("set", shared / "official_splits" / folder)
    shards = clip_set.shards(count)
    sizes = [len(clips) for clips in shards.values()]
    mean = len(clip_set.clips) / count
    assert list(shards) == [f"{number:03d}" for number in range(count)]
    assert sum(sizes) == len(clip_set.clips) and max(sizes) < 2 * mean and min(sizes) > mean / 2
    pairs = {(clip.group, shard) for shard, clips in shards.items() for clip in clips}
    assert len(pairs) == len({clip.group for clip in clip_set.clips.values()})


def test_new_clips_leave_the_others_in_their_shards(lists):
    def shard_by_clip(clip_set):
        return {clip.id: shard for shard, clips in clip_set.shards(5).items() for clip in clips}

    before = shard_by_clip(ucf101.read("set", lists()))
    more = LISTS["trainlist01"] + "".join(
        f"Run/v_Run_g{number:02d}_c01.avi 1\n" for number in range(3, 40)
    )
    after = shard_by_clip(ucf101.read("set", lists("more", trainlist01=more)))
    assert len(after) == len(before) + 37 and before.items() <= after.items()
    assert set(after.values()) == {f"{number:03d}" for number in range(5)}
