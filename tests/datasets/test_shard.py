"""The job of a shard: the file, its record, and what is counted as done before."""

import argparse
import json
import os
from pathlib import Path

import h5py
import pytest
from small_shards import CLIP_IDS, CODE, SETTINGS, index_rows, pixels

from pipeline import files
from pipeline.datasets import index, shard
from pipeline.datasets.shard import run_shard
from pipeline.errors import PipelineError
from pipeline.jobs import record
from pipeline.jobs.progress import Progress
from pipeline.storage import reader
from pipeline.storage.keys import key_of


@pytest.fixture
def options(tmp_path):
    """The options of a program that writes a shard, and rows of clips whose videos are files of
    text.
    """
    rows = index_rows()
    for number, row in enumerate(rows):
        row["path"] = str(tmp_path / f"{number}.avi")
        Path(row["path"]).write_text(f"video {number}")
        row["sha256"] = files.digest(row["path"])
    return argparse.Namespace(
        out=str(tmp_path / "000.h5"), record=tmp_path / "000.json", code=CODE, rows=rows
    )


def run(options, kind="frames", make_arrays=None, **more):
    """Write the shard of the three clips; returns its progress, in frames."""
    progress = Progress("shard 000", 12, "frames", silent=True)

    def all_pixels(row):
        yield from pixels(row, kind)
        progress.update(row["frames"], row["clip"])

    run_shard(
        options,
        SETTINGS,
        stage=f"stage of {kind}",
        kind=kind,
        rows=options.rows,
        make_arrays=make_arrays or all_pixels,
        progress=progress,
        units=lambda row: row["frames"],
        made_with="ffmpeg 7",
        **more,
    )
    return progress


def test_shard_and_record_are_written(options):
    progress = run(options)
    assert (progress.done, progress.start) == (12, 0)
    with reader.open_checked(options.out, "frames") as file:
        assert file.attrs["made_with"] == b"ffmpeg 7" and "solver" not in file.attrs
        assert (file.attrs["code"].decode(), json.loads(file.attrs["settings"])) == (CODE, SETTINGS)
    written = record.read(options.record)
    assert written["digest"] == record.read(record.content_path(options.record))["digest"]
    assert set(written) == {
        *("stage", "digest", "settings", "code", "made_with", "clips"),
        *("python", "packages", "seconds"),
    }
    stated = [written[key] for key in ("stage", "settings", "code", "made_with", "clips")]
    assert stated == ["stage of frames", SETTINGS, CODE, "ffmpeg 7", 3]


def test_record_says_other_facts_in_place_of_made_with(options):
    run(options, facts={"ffmpeg": "7"})
    written = record.read(options.record)
    assert written["ffmpeg"] == "7" and "made_with" not in written
    with h5py.File(options.out) as file:
        assert file.attrs["made_with"] == b"ffmpeg 7" and "ffmpeg" not in file.attrs


def test_attributes_are_in_the_file_and_the_record(options):
    run(options, kind="flow", solver="numba")
    written = record.read(options.record)
    with h5py.File(options.out) as file:
        assert file.attrs["solver"].decode() == written["solver"] == "numba"
    assert written["made_with"] == "ffmpeg 7"


def test_units_of_reused_clips_count_as_done_before(options):
    def fails_at_the_last(row):
        if row["clip"] == CLIP_IDS[2]:
            raise KeyboardInterrupt
        yield from pixels(row)

    with pytest.raises(KeyboardInterrupt):
        run(options, make_arrays=fails_at_the_last)
    assert not options.record.exists()
    progress = run(options)
    assert (progress.done, progress.start) == (12, 3 + 5)


def replace(path: str, content: str) -> None:
    """Put another file in place of a video, with the size and the times of it."""
    stat = os.stat(path)
    Path(f"{path}.new").write_text(content[: stat.st_size].ljust(stat.st_size))
    os.utime(f"{path}.new", ns=(stat.st_atime_ns, stat.st_mtime_ns))
    os.replace(f"{path}.new", path)


@pytest.mark.parametrize("when", ["before", "while it is read"])
def test_a_clip_that_was_replaced_is_named_and_not_written(options, when):
    path = options.rows[1]["path"]

    def replaced(row):
        arrays = pixels(row)
        yield arrays[0]
        if row["clip"] == CLIP_IDS[1]:
            replace(path, "another video")
        yield from arrays[1:]

    if when == "before":
        replace(path, "another video")
    with pytest.raises(PipelineError) as caught:
        run(options, make_arrays=replaced if when != "before" else None)
    assert str(caught.value).splitlines()[0] == (
        f"{path}: clip '{CLIP_IDS[1]}' has changed since it was examined; run the same snakemake "
        "command again, which examines it again"
    )
    assert not Path(options.out).exists() and not options.record.exists()
    # What was finished before is kept, the replaced clip is not.
    kept = [path for path in Path(options.out).parent.glob(".partial/000/*.h5")]
    assert len(kept) == 1
    # Examined again, it is written as it is now.
    options.rows[1]["sha256"] = files.digest(path)
    run(options)
    with h5py.File(options.out) as file:
        assert all(key_of(clip) in file for clip in CLIP_IDS)


def test_a_replaced_clip_is_told_from_a_damaged_one(options):
    def fails(row):
        raise PipelineError(f"{row['path']}: damaged")
        yield

    with pytest.raises(PipelineError, match="0.avi: damaged"):
        run(options, make_arrays=fails)
    Path(options.rows[0]["path"]).unlink()
    with pytest.raises(PipelineError, match="has changed since it was examined"):
        run(options, make_arrays=fails)


def examined_table(folder: Path) -> argparse.Namespace:
    """The options of a job whose shard has a good clip and two that cannot be used."""
    good = {"clip": "Run/a", "path": "Run/a.avi", "sha256": "0" * 16, "problem": ""}
    rows = [
        good | {"frames": 5, "width": 32, "height": 24},
        {"clip": "Run/b", "path": "Run/b.avi", "problem": "Run/b.avi: the file is empty"},
        {"clip": "Run/c", "path": "Run/c.avi", "problem": "Run/c.avi: there is no such video"},
    ]
    index.write(folder / "000.csv", rows, index.EXAMINED)
    arguments = ["--clips", f"{folder}/000.csv", "--videos", "v", "--out", "o", "--record", "r"]
    return shard.parser("A job.").parse_args([*arguments, "--settings", "{}"])


def test_bad_clips_end_a_job_with_their_sentences(tmp_path):
    with pytest.raises(PipelineError) as caught:
        shard.read_rows(examined_table(tmp_path))
    assert str(caught.value).splitlines() == [
        "Run/b.avi: the file is empty",
        "Run/c.avi: there is no such video",
    ]


def test_bad_clips_may_be_left_out(tmp_path):
    options = examined_table(tmp_path)
    options.on_bad_clip = "skip"
    (row,) = shard.read_rows(options)
    assert (row["clip"], row["frames"], row["path"]) == ("Run/a", 5, "v/Run/a.avi")


def test_a_shard_of_bad_clips_alone_is_empty(options):
    options.rows = []
    run(options)
    assert record.read(options.record)["clips"] == 0
    with h5py.File(options.out) as file:
        assert len(file) == 0
