"""Writing: no interrupted or changed shard passes for a whole one, and no finished clip is lost."""

import multiprocessing
import os
import signal
import time

import h5py
import numpy as np
import pytest
from small_shards import CLIP_IDS, CODE, SETTINGS, files, index_rows, pixels, write

from pipeline.errors import PipelineError
from pipeline.jobs import code_id
from pipeline.storage import attributes, layout, reader, writer
from pipeline.storage.layout import BLOCK, SCHEMA


class Killed(Exception):
    pass


def killed_in(clip_id: str, calls: list):
    """A `make_arrays` that ends the run within a clip, after its first frame.

    It appends every clip that it is called for to `calls`.
    """

    def make_arrays(row):
        calls.append(row["clip"])
        yield pixels(row)[0]
        if row["clip"] == clip_id:
            raise Killed
        yield from pixels(row)[1:]

    return make_arrays


# Complete shards


def test_kinds_of_one_array_a_clip_keep_it_as_it_is(tmp_path):
    rows = index_rows((3, 0, 4))
    arrays = {row["clip"]: np.full((row["frames"], 7), row["frames"], np.float32) for row in rows}

    def make_array(row):
        # The run is interrupted at the first call for the last clip.
        if row["clip"] == CLIP_IDS[2] and not calls.append(row["clip"]) and len(calls) == 1:
            raise KeyboardInterrupt
        yield arrays[row["clip"]]

    calls, reused = [], []
    path = tmp_path / "000.h5"
    with pytest.raises(KeyboardInterrupt):
        write(path, rows, "samples", make_array)
    write(path, rows, "samples", make_array, on_reused=lambda row: reused.append(row["clip"]))
    assert reused == CLIP_IDS[:2] and files(tmp_path) == ["000.h5"]
    shards = reader.Shards(tmp_path, "samples")
    for row in rows:
        dataset = shards.dataset(row)
        assert dataset.dtype == np.float32 and (dataset[...] == arrays[row["clip"]]).all()


def test_same_content_gives_the_same_bytes(tmp_path):
    digests = [write(tmp_path / "a" / "000.h5")]
    # HDF5 stamps objects by the second, where it does.
    time.sleep(1.1)
    digests += [write(tmp_path / "b" / "000.h5")]
    contents = [(tmp_path / name / "000.h5").read_bytes() for name in "ab"]
    assert digests[0] == digests[1] and contents[0] == contents[1]


def test_digest_is_of_pixels_and_clips(tmp_path):
    plain = write(tmp_path / "a.h5")
    assert write(tmp_path / "b.h5", settings={"x": 1}, code="other") == plain
    changed = write(
        tmp_path / "c.h5",
        make_arrays=lambda row: iter(pixels(row) ^ (row["clip"] == CLIP_IDS[2])),
    )
    fewer = write(tmp_path / "d.h5", index_rows()[:2])
    assert len({plain, changed, fewer}) == 3


@pytest.mark.parametrize("count", [1, BLOCK, BLOCK + 1, 2 * BLOCK + 3])
def test_long_clips(tmp_path, count):
    rows = index_rows((count, 3, 3))
    write(tmp_path / "000.h5", rows)
    with h5py.File(tmp_path / "000.h5") as file:
        assert (file["Run/v_Run_g01_c01"][...] == pixels(rows[0])).all()


# Runs that are killed


def test_killed_write_goes_on_with_the_next_clip(tmp_path):
    path, calls, reused = tmp_path / "000.h5", [], []
    with pytest.raises(Killed):
        write(path, make_arrays=killed_in(CLIP_IDS[1], calls))
    assert calls == CLIP_IDS[:2] and not path.exists()
    assert not [name for name in files(tmp_path) if not name.endswith(".h5")]
    calls.clear()
    digest = write(
        path,
        make_arrays=killed_in("", calls),
        on_reused=lambda row: reused.append(row["clip"]),
    )
    assert calls == CLIP_IDS[1:] and reused == CLIP_IDS[:1]
    assert files(tmp_path) == ["000.h5"]
    assert digest == write(tmp_path / "other" / "000.h5")
    assert path.read_bytes() == (tmp_path / "other" / "000.h5").read_bytes()


def test_killed_process_leaves_nothing_behind_in_the_end(tmp_path):
    def write_and_die():
        def make_arrays(row):
            yield pixels(row)[0]
            if row["clip"] == CLIP_IDS[1]:
                os.kill(os.getpid(), signal.SIGKILL)
            yield from pixels(row)[1:]

        write(tmp_path / "000.h5", make_arrays=make_arrays)

    process = multiprocessing.get_context("fork").Process(target=write_and_die)
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL and not (tmp_path / "000.h5").exists()
    calls = []
    write(tmp_path / "000.h5", make_arrays=killed_in("", calls))
    assert calls == CLIP_IDS[1:] and files(tmp_path) == ["000.h5"]


CHANGES = {
    "settings": {"settings": {"decode": {"short_side": 128}}},
    "code": {"code": "other"},
    "schema": {},
    "sha256": {"rows": [row | {"sha256": "f" * 16} for row in index_rows()]},
}


@pytest.mark.parametrize("changed", CHANGES)
def test_what_has_changed_is_made_anew(tmp_path, monkeypatch, changed):
    calls = []
    with pytest.raises(Killed):
        write(tmp_path / "000.h5", make_arrays=killed_in(CLIP_IDS[2], calls))
    calls.clear()
    if changed == "schema":
        monkeypatch.setattr(layout, "SCHEMA", SCHEMA + 1)
    write(tmp_path / "000.h5", make_arrays=killed_in("", calls), **CHANGES[changed])
    assert calls == CLIP_IDS


def test_one_changed_video_costs_one_clip(tmp_path):
    calls = []
    with pytest.raises(Killed):
        write(tmp_path / "000.h5", make_arrays=killed_in(CLIP_IDS[2], calls))
    calls.clear()
    rows = index_rows()
    rows[0]["sha256"] = "f" * 16
    write(tmp_path / "000.h5", rows, make_arrays=killed_in("", calls))
    assert calls == [CLIP_IDS[0], CLIP_IDS[2]]


# Clips of another length than the index says


@pytest.mark.parametrize("kind", ["frames", "flow"])
@pytest.mark.parametrize("off", [-1, 1])
def test_other_frame_count_is_refused(tmp_path, kind, off):
    rows = index_rows()

    def make_arrays(row):
        frames = row["frames"] + off * (row["clip"] == CLIP_IDS[1])
        return iter(pixels(row | {"frames": frames}, kind))

    with pytest.raises(PipelineError) as caught:
        write(tmp_path / "000.h5", rows, kind, make_arrays)
    message = str(caught.value)
    assert message.startswith(f"{rows[1]['path']}: ")
    assert "5 frames" in message and "\n" not in message
    assert str(rows[1]["frames"] - (kind == "flow") + off) in message
    # The first clip is kept for the next run.
    assert not (tmp_path / "000.h5").exists() and len(files(tmp_path)) == 1


def test_clip_without_frames_is_refused(tmp_path):
    with pytest.raises(PipelineError):
        write(tmp_path / "000.h5", make_arrays=lambda row: iter(()))
    assert files(tmp_path) == []


# Files other than shards


def test_create_is_all_or_nothing(tmp_path):
    path = tmp_path / "new" / "scores.h5"
    with pytest.raises(Killed), writer.create(path, "scores", SETTINGS, CODE) as file:
        file["x"] = 1
        raise Killed
    assert files(tmp_path) == []
    with writer.create(path, "scores", SETTINGS, CODE, source="motion") as file:
        assert not path.exists()
        file["x"] = 1
    assert files(tmp_path) == ["new/scores.h5"]
    with reader.open_checked(path, "scores") as file:
        assert file["x"][()] == 1 and attributes.read(file)["source"] == "motion"


# The code that writes


def test_what_writes_does_not_import_what_reads():
    """So an edit of reading does not change the id of the code that made frames and flow."""
    modules = {path.stem for path in code_id.closure(writer.__file__)}
    assert {"writer", "codecs", "jpeg", "layout", "keys"} <= modules
    assert not modules & {"reader", "decoding", "jpeg_decoding"}
