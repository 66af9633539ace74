"""Which shard holds which group: even, stable, the same for the same lists, and kept."""

import json
from collections import Counter
from pathlib import Path

import pytest
from dataset_cases import LISTS

from pipeline.datasets import hmdb51, index, ucf101
from pipeline.datasets.assignment import assign, of_set

# 3 + 2 + 2 + 1 clips in two shards: a; then b, c to the other one; d where 3 stand against 4.
SIZES = {"b": 2, "d": 1, "a": 3, "c": 2}


def test_the_largest_groups_are_dealt_first_to_the_emptiest_shard():
    assert assign(SIZES, 2, {}) == {"a": "000", "b": "001", "c": "001", "d": "000"}
    assert assign(dict(reversed(SIZES.items())), 2, {}) == assign(SIZES, 2, {})
    assert assign({"one": 5}, 1000, {}) == {"one": "000"} and assign({}, 3, {}) == {}


def test_what_was_dealt_stays_and_new_groups_fill_up():
    kept = {"a": "001", "b": "001", "gone": "000", "c": "007"}
    # Shard 001 has 5 clips; c was in a shard that there is no more.
    assert assign(SIZES, 2, kept) == {"a": "001", "b": "001", "c": "000", "d": "000"}


@pytest.mark.parametrize(
    "read, folder, count",
    # 13,320 clips, 133 a shard, of 2,525 groups of 4 to 7; 6,766 clips, 135 a shard.
    [(ucf101.read, "ucfTrainTestlist", 100), (hmdb51.read, "testTrainMulti_7030_splits", 50)],
)
def test_shards_are_even_and_keep_groups_together(shared, tmp_path, read, folder, count):
    clip_set = read("set", shared / "official_splits" / folder)
    shard_of = of_set(clip_set, count, tmp_path)
    shards = clip_set.shards(shard_of)
    assert list(shards) == [f"{number:03d}" for number in range(count)]
    sizes = [len(clips) for clips in shards.values()]
    assert sum(sizes) == len(clip_set.clips) and max(sizes) <= 1.03 * len(clip_set.clips) / count
    pairs = {(clip.group, shard) for shard, clips in shards.items() for clip in clips}
    assert len(pairs) == len({clip.group for clip in clip_set.clips.values()})


def test_clips_that_are_groups_of_their_own_lie_evenly():
    shards = assign({f"class/{number}": 1 for number in range(24_000)}, 1000, {})
    assert set(Counter(shards.values()).values()) == {24}


def with_more(lists, tmp_path: Path, count: int = 37):
    """The small set, and it with more groups of Run."""
    more = LISTS["trainlist01"] + "".join(
        f"Run/v_Run_g{number:02d}_c01.avi 1\n" for number in range(3, 3 + count)
    )
    return ucf101.read("set", lists()), ucf101.read("set", lists("more", trainlist01=more))


def made(folder: Path, clip_set, shard_of: dict[str, str]) -> None:
    """Write the tables of examined shards as a run does."""
    for shard, clips in clip_set.shards(shard_of).items():
        rows = [{"clip": clip.id, "path": clip.file} for clip in clips]
        index.write(folder / f"index/{shard}.csv", rows, index.EXAMINED)


def test_new_groups_leave_the_others_in_their_shards(lists, tmp_path):
    before, after = with_more(lists, tmp_path)
    folder = tmp_path / "results"
    first = of_set(before, 3, folder)
    made(folder, before, first)
    second = of_set(after, 3, folder)
    assert first.items() <= second.items() and len(second) == len(first) + 37
    assert of_set(after, 3, folder) == second == of_set(after, 3, folder, keeps=False)
    sizes = [len(clips) for clips in after.shards(second).values()]
    assert max(sizes) - min(sizes) <= 1
    # Lists that are put back find their shards, and those taken away again.
    assert of_set(before, 3, folder) == first and of_set(after, 3, folder) == second


def test_before_anything_is_made_lists_alone_count(lists, tmp_path):
    before, after = with_more(lists, tmp_path)
    of_set(before, 3, tmp_path / "looked_at")
    assert of_set(after, 3, tmp_path / "looked_at") == of_set(after, 3, tmp_path / "fresh")


def test_shards_of_an_earlier_version_are_taken_over(lists, tmp_path):
    """It dealt by a hash, and wrote no record; another count deals anew."""
    before, after = with_more(lists, tmp_path)
    old = {clip.group: f"{number % 3:03d}" for number, clip in enumerate(after.clips.values())}
    folder = tmp_path / "results"
    made(folder, after, old)
    assert of_set(after, 3, folder) == old
    assert json.loads((folder / ".shards/3.json").read_text()) == old
    assert of_set(after, 20, folder) == of_set(after, 20, tmp_path / "fresh")
    of_table = tmp_path / "other"
    made(of_table, after, old)
    (of_table / "index/001.csv").write_text("damaged")
    found = of_set(after, 3, of_table)
    rest = {group: shard for group, shard in old.items() if shard != "001"}
    assert rest.items() <= found.items() and len(found) == len(old)


def test_a_broken_record_is_made_of_the_tables(lists, tmp_path):
    _, after = with_more(lists, tmp_path)
    first = of_set(after, 3, tmp_path)
    made(tmp_path, after, first)
    (tmp_path / ".shards/3.json").write_text("{")
    assert of_set(after, 3, tmp_path) == first


def test_a_folder_to_look_at_only_stays_as_it_is(lists, tmp_path):
    _, after = with_more(lists, tmp_path)
    of_set(after, 3, tmp_path / "results", keeps=False)
    assert not (tmp_path / "results").exists()
