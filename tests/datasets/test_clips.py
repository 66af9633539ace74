"""The clips of a data set: digests of subsets, and shards."""

import re

from dataset_cases import LISTS

from pipeline.datasets import ucf101


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


def test_clips_lie_in_the_shards_of_their_groups(lists):
    clip_set = ucf101.read("set", lists())
    groups = sorted({clip.group for clip in clip_set.clips.values()})
    shard_of = {group: "001" if group == groups[0] else "000" for group in groups}
    shards = clip_set.shards(shard_of)
    assert list(shards) == ["000", "001"] and sum(map(len, shards.values())) == len(clip_set.clips)
    assert {clip.group for clip in shards["001"]} == {groups[0]}
