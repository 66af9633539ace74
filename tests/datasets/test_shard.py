"""The job of a shard: the file, its record, and what is counted as done before."""

import argparse
import json

import h5py
import pytest
from small_shards import CLIP_IDS, CODE, SETTINGS, index_rows, pixels

from pipeline.datasets.shard import run_shard
from pipeline.jobs import record
from pipeline.jobs.progress import Progress
from pipeline.storage import reader


@pytest.fixture
def options(tmp_path):
    """The options of a program that writes a shard."""
    return argparse.Namespace(out=str(tmp_path / "000.h5"), record=tmp_path / "000.json", code=CODE)


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
        rows=index_rows(),
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
        assert file.attrs["made_with"] == "ffmpeg 7" and "solver" not in file.attrs
        assert (file.attrs["code"], json.loads(file.attrs["settings"])) == (CODE, SETTINGS)
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
        assert file.attrs["made_with"] == "ffmpeg 7" and "ffmpeg" not in file.attrs


def test_attributes_are_in_the_file_and_the_record(options):
    run(options, kind="flow", solver="numba")
    written, content = (
        record.read(path) for path in (options.record, record.content_path(options.record))
    )
    with h5py.File(options.out) as file:
        assert file.attrs["solver"] == written["solver"] == content["solver"] == "numba"
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
