"""The tables of a data set: frames counted by decoding, broken clips, and tables as files."""

import csv
import hashlib
from collections import Counter
from pathlib import Path

import pytest
from dataset_cases import FILES, refusal

from pipeline.datasets import examine, index
from pipeline.datasets.assignment import assign
from pipeline.errors import PipelineError, remake, set_aside
from pipeline.files import SEALS, seal_of


def shard_of(clip_set) -> dict[str, str]:
    return assign(Counter(clip.group for clip in clip_set.clips.values()), 3, {})


def examined(clip_set, paths, accept_damaged=(), workers=1):
    shards = clip_set.shards(shard_of(clip_set))
    return {
        shard: examine.examine(clips_of_shard, paths, list(accept_damaged), workers)
        for shard, clips_of_shard in shards.items()
    }


def test_index_counts_frames_by_decoding(small_set, tmp_path):
    clip_set, paths = small_set
    rows = examine.merge(
        clip_set, list(clip_set.clips.values()), examined(clip_set, paths, workers=2)
    )
    assert [row["clip"] for row in rows] == sorted(clip_set.clips)
    for count, file in enumerate(FILES, start=2):
        row = next(row for row in rows if row["clip"] == file.removesuffix(".avi"))
        content = (tmp_path / "videos" / file).read_bytes()
        assert (row["frames"], row["width"], row["height"]) == (count, 32, 24)
        assert (
            hashlib.sha256(content).hexdigest().startswith(row["sha256"])
            and len(row["sha256"]) == 16
        )
        assert (row["label"], row["class"]) == {"Run": (0, "Run"), "Jump": (1, "Jump")}[
            file.split("/")[0]
        ]
        assert row["shard"] == shard_of(clip_set)[row["group"]]
    assert [row["split1"] for row in rows] == ["train", "test", "train", "train", "test"]
    assert index.class_names(rows) == ["Run", "Jump"]


def test_index_names_every_broken_clip_at_once(small_set):
    clip_set, paths = small_set
    broken = ["Run/v_Run_g01_c01", "Run/v_Run_g01_c02", "Jump/v_Jump_g02_c01"]
    contents = [b"", b"no video", Path(paths[broken[2]]).read_bytes()[:-200]]
    for clip_id, content in zip(broken, contents, strict=True):
        Path(paths[clip_id]).write_bytes(content)
    lines = refusal(
        examine.merge, clip_set, list(clip_set.clips.values()), examined(clip_set, paths)
    )
    assert len(lines) == 3 and all(
        any(line.startswith(paths[clip_id]) for line in lines) for clip_id in broken
    )
    rows = [
        row for rows in examined(clip_set, paths, accept_damaged=broken).values() for row in rows
    ]
    assert {row["clip"] for row in rows if row["problem"]} == set(broken[:2])


def test_rows_must_number_the_classes_of_a_model(small_set):
    rows = examine.merge(small_set[0], list(small_set[0].clips.values()), examined(*small_set))
    index.check_classes(rows, ["Run", "Jump"])
    for classes in (["Jump", "Run"], ["Run"], ["Run", "jump"]):
        with pytest.raises(PipelineError, match="label"):
            index.check_classes(rows, classes)


def test_table_round_trip(tmp_path):
    ids = ['Run/a, "b"; c', "Run/\u6f22 '%s'", "Jump/#1"]
    rows = [
        {
            "clip": clip_id,
            "class": "Run",
            "label": 0,
            "group": "Run/g",
            "shard": "007",
            "path": f"/v/{clip_id}.avi",
            "sha256": "0123456789012345",
            "frames": 5,
            "width": 32,
            "height": 24,
            "split1": "train",
        }
        for clip_id in ids
    ]
    index.write(tmp_path / "index.csv", rows, [*index.COLUMNS, "split1", "split2"])
    assert index.read(tmp_path / "index.csv") == [row | {"split2": ""} for row in rows]
    assert sorted(path.name for path in tmp_path.iterdir()) == [SEALS, "index.csv"]
    with open(tmp_path / "index.csv", newline="", encoding="utf-8") as file:
        assert next(csv.reader(file)) == [*index.COLUMNS, "split1", "split2"]


@pytest.mark.parametrize("content", [b"", b"a,b\n1,2\n", b"clip,class\n", b"\xff\xfe\x00\x01"])
def test_foreign_table_is_refused(tmp_path, content):
    path = tmp_path / "index.csv"
    path.write_bytes(content)
    (message,) = refusal(index.read, path)
    assert message.startswith(f"{path}: not a table of this program") and "rm " not in message
    assert message.endswith(set_aside(path))


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[:-5],
        lambda text: text[: text.rindex(b"\n", 0, -1) + 1],
        lambda text: text.replace(b",5,32", b",7,32"),
        lambda text: text[:40] + bytes(len(text) - 40),
    ],
    ids=["cut short", "a row less", "another number", "zeros"],
)
def test_damaged_tables_are_refused(tmp_path, damage):
    path = tmp_path / "train.csv"
    row = dict.fromkeys(index.COLUMNS, "x") | {"label": 1, "frames": 5, "width": 32, "height": 24}
    index.write(path, [row, row], index.COLUMNS)
    path.write_bytes(damage(path.read_bytes()))
    (message,) = refusal(index.read, path)
    assert message.startswith(f"{path}: ") and remake(path) in message
    # Without its seal a table is refused where a row has another number of columns, or is none.
    seal_of(path).unlink()
    if b",7,32" not in path.read_bytes() and not path.read_bytes().endswith(b"24\n"):
        (message,) = refusal(index.read, path)
        assert message.startswith(f"{path}: not a table") and "rm " not in message
