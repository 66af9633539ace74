"""HDF5 files: what anyone can read in them; an interrupted, changed or foreign file is never taken for good."""

import hashlib
import json
import multiprocessing
import os
import pickle
import signal
import time
from pathlib import Path

import h5py
import numpy as np
import pytest

from pipeline.errors import PipelineError
from pipeline.storage import layout, reader, writer
from pipeline.storage.codecs import Codec
from pipeline.storage.layout import BLOCK, SCHEMA

SETTINGS = {"decode": {"short_side": 256}}
CODE = "0123456789abcdef"
IDS = ["Run/v_Run_g01_c01", "Run/(HQ) 100%+!", "Jump/-a"]


def rows(frames=(3, 5, 4)) -> list[dict]:
    return [
        {
            "clip": clip_id,
            "path": f"/v/{clip_id}.avi",
            "sha256": f"{number:016x}",
            "frames": count,
            "shard": "000",
        }
        for number, (clip_id, count) in enumerate(zip(IDS, frames, strict=True))
    ]


def pixels(row: dict, kind: str = "frames") -> np.ndarray:
    """What a clip of the test files holds: noise that follows from its id."""
    shape = (row["frames"], 6, 8, 3) if kind == "frames" else (row["frames"] - 1, 2, 6, 8)
    return np.random.default_rng(list(row["clip"].encode())).integers(0, 256, shape, dtype=np.uint8)


def write(
    path: Path, clips=None, kind="frames", items=None, settings=None, code=CODE, **options
) -> str:
    read = items or (lambda row: iter(pixels(row, kind)))
    return writer.write_shard(
        path, kind, clips or rows(), read, settings or SETTINGS, code, "ffmpeg 7", **options
    )


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_kinds_of_one_array_a_clip_keep_it_as_it_is(tmp_path):
    arrays = {
        row["clip"]: np.full((row["frames"], 7), row["frames"], np.float32)
        for row in rows((3, 0, 4))
    }

    def array(row):
        if row["clip"] == IDS[2] and not calls.append(row["clip"]) and len(calls) == 1:
            raise KeyboardInterrupt
        yield arrays[row["clip"]]

    calls, kept = [], []
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path / "000.h5", rows((3, 0, 4)), "samples", array)
    write(
        tmp_path / "000.h5",
        rows((3, 0, 4)),
        "samples",
        array,
        kept=lambda row: kept.append(row["clip"]),
    )
    assert kept == IDS[:2] and files(tmp_path) == ["000.h5"]
    shards = reader.Shards(tmp_path, "samples")
    for row in rows((3, 0, 4)):
        assert shards(row).dtype == np.float32 and (shards(row)[...] == arrays[row["clip"]]).all()


@pytest.mark.parametrize("kind", ["frames", "flow"])
def test_anyone_can_read_a_shard(tmp_path, kind):
    write(tmp_path / "000.h5", kind=kind)
    assert files(tmp_path) == ["000.h5"]
    with h5py.File(tmp_path / "000.h5") as file:
        assert (file.attrs["format"], file.attrs["schema"], file.attrs["code"]) == (
            f"pipeline/{kind}",
            1,
            CODE,
        )
        assert (
            json.loads(file.attrs["settings"]) == SETTINGS and file.attrs["made_with"] == "ffmpeg 7"
        )
        assert len(file.attrs["about"]) > 50
        assert sorted(file) == ["Jump", "Run"] and sum(len(group) for group in file.values()) == 3
        for row, name in zip(
            rows(), ["Run/v_Run_g01_c01", "Run/%28HQ%29%20100%25%2B%21", "Jump/%2Da"], strict=True
        ):
            data, expected = file[name], pixels(row, kind)
            assert data.dtype == np.uint8 and (data[...] == expected).all()
            assert data.chunks == (1, *expected.shape[1:]) and data.compression == "gzip"
            assert (data.attrs["clip"], data.attrs["sha256"]) == (row["clip"], row["sha256"])
            assert data.attrs["source"] == row["clip"].split("/")[1] + ".avi"


def test_same_content_gives_the_same_bytes(tmp_path):
    digests = [write(tmp_path / "a" / "000.h5")]
    time.sleep(1.1)  # HDF5 stamps objects by the second, where it does
    digests += [write(tmp_path / "b" / "000.h5")]
    contents = [(tmp_path / name / "000.h5").read_bytes() for name in "ab"]
    assert digests[0] == digests[1] and contents[0] == contents[1]


def test_digest_is_of_pixels_and_clips(tmp_path):
    plain = write(tmp_path / "a.h5")
    assert write(tmp_path / "b.h5", settings={"x": 1}, code="other") == plain
    changed = write(
        tmp_path / "c.h5", items=lambda row: iter(pixels(row) ^ (row["clip"] == IDS[2]))
    )
    fewer = write(tmp_path / "d.h5", clips=rows()[:2])
    assert len({plain, changed, fewer}) == 3


@pytest.mark.parametrize("count", [1, BLOCK, BLOCK + 1, 2 * BLOCK + 3])
def test_long_clips(tmp_path, count):
    clips = rows((count, 3, 3))
    write(tmp_path / "000.h5", clips)
    with h5py.File(tmp_path / "000.h5") as file:
        assert (file["Run/v_Run_g01_c01"][...] == pixels(clips[0])).all()


class Killed(Exception):
    pass


def killed_in(clip_id: str, called: list):
    """Items that end the run within a clip, after its first frame; `called` notes every clip asked for."""

    def items(row):
        called.append(row["clip"])
        yield pixels(row)[0]
        if row["clip"] == clip_id:
            raise Killed
        yield from pixels(row)[1:]

    return items


def test_killed_write_goes_on_with_the_next_clip(tmp_path):
    path, called, kept = tmp_path / "000.h5", [], []
    with pytest.raises(Killed):
        write(path, items=killed_in(IDS[1], called))
    assert called == IDS[:2] and not path.exists()
    assert not [name for name in files(tmp_path) if not name.endswith(".h5")]
    called.clear()
    digest = write(path, items=killed_in("", called), kept=lambda row: kept.append(row["clip"]))
    assert called == IDS[1:] and kept == IDS[:1]
    assert files(tmp_path) == ["000.h5"]
    assert digest == write(tmp_path / "other" / "000.h5")
    assert path.read_bytes() == (tmp_path / "other" / "000.h5").read_bytes()


def test_killed_process_leaves_nothing_behind_in_the_end(tmp_path):
    def killed():
        def items(row):
            yield pixels(row)[0]
            if row["clip"] == IDS[1]:
                os.kill(os.getpid(), signal.SIGKILL)
            yield from pixels(row)[1:]

        write(tmp_path / "000.h5", items=items)

    process = multiprocessing.get_context("fork").Process(target=killed)
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL and not (tmp_path / "000.h5").exists()
    called = []
    write(tmp_path / "000.h5", items=killed_in("", called))
    assert called == IDS[1:] and files(tmp_path) == ["000.h5"]


CHANGES = {
    "settings": {"settings": {"decode": {"short_side": 128}}},
    "code": {"code": "other"},
    "schema": {},
    "sha256": {"clips": [row | {"sha256": "f" * 16} for row in rows()]},
}


@pytest.mark.parametrize("changed", CHANGES)
def test_what_has_changed_is_made_anew(tmp_path, monkeypatch, changed):
    called = []
    with pytest.raises(Killed):
        write(tmp_path / "000.h5", items=killed_in(IDS[2], called))
    called.clear()
    if changed == "schema":
        monkeypatch.setattr(layout, "SCHEMA", SCHEMA + 1)
    write(tmp_path / "000.h5", items=killed_in("", called), **CHANGES[changed])
    assert called == IDS


def test_one_changed_video_costs_one_clip(tmp_path):
    called = []
    with pytest.raises(Killed):
        write(tmp_path / "000.h5", items=killed_in(IDS[2], called))
    called.clear()
    clips = rows()
    clips[0]["sha256"] = "f" * 16
    write(tmp_path / "000.h5", clips, items=killed_in("", called))
    assert called == [IDS[0], IDS[2]]


@pytest.mark.parametrize("kind", ["frames", "flow"])
@pytest.mark.parametrize("off", [-1, 1])
def test_other_frame_count_is_refused(tmp_path, kind, off):
    clips = rows()

    def items(row):
        return iter(pixels(row | {"frames": row["frames"] + off * (row["clip"] == IDS[1])}, kind))

    with pytest.raises(PipelineError) as caught:
        write(tmp_path / "000.h5", clips, kind, items)
    message = str(caught.value)
    assert (
        message.startswith(f"{clips[1]['path']}: ")
        and "5 frames" in message
        and "\n" not in message
    )
    assert str(clips[1]["frames"] - (kind == "flow") + off) in message
    assert (
        not (tmp_path / "000.h5").exists() and len(files(tmp_path)) == 1
    )  # the first clip is kept


def test_clip_without_frames_is_refused(tmp_path):
    with pytest.raises(PipelineError):
        write(tmp_path / "000.h5", items=lambda row: iter(()))
    assert files(tmp_path) == []


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
        assert file["x"][()] == 1 and file.attrs["source"] == "motion"


# What cannot be read


def foreign(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["x"] = 1


def newer(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        file.attrs["schema"] = 99


BAD = {  # what is done to a good shard, and what the error must hold
    "missing": (Path.unlink, "no such file"),
    "text": (lambda path: path.write_text("clip,frames\n"), "HDF5"),
    "empty": (lambda path: path.write_bytes(b""), "HDF5"),
    "truncated": (lambda path: path.write_bytes(path.read_bytes()[:-1000]), "cut short"),
    "foreign": (foreign, "pipeline/frames"),
    "other kind": (lambda path: write(path, kind="flow"), "pipeline/flow"),
    "other schema": (newer, "99"),
}


@pytest.mark.parametrize("spoil, part", BAD.values(), ids=BAD)
def test_bad_files_are_refused_with_a_cure(tmp_path, spoil, part):
    path = tmp_path / "a shard.h5"
    write(path)
    spoil(path)
    with pytest.raises(PipelineError) as caught:
        reader.open_checked(path, "frames")
    message = str(caught.value)
    assert (
        message.startswith(f"{path}: ")
        and part in message
        and "\n" not in message
        and "snakemake" in message
    )


def test_any_kind_can_be_opened(tmp_path):
    write(tmp_path / "000.h5", kind="flow")
    with reader.open_checked(tmp_path / "000.h5") as file:
        assert len(file) == 2


# Reading clips


def test_shards_of_a_folder_and_of_one_file(tmp_path):
    write(tmp_path / "000.h5")
    for path in (tmp_path, tmp_path / "000.h5"):
        shards = reader.Shards(path, "frames")
        assert all((shards(row)[...] == pixels(row)).all() for row in rows())
        with pytest.raises(PipelineError, match="Run/none") as caught:
            shards(rows()[0] | {"clip": "Run/none"})
        assert str(caught.value).startswith(f"{tmp_path / '000.h5'}: ")
    with pytest.raises(PipelineError, match="pipeline/flow"):
        reader.Shards(tmp_path, "flow")(rows()[0])


def test_shards_made_in_different_ways_are_refused(tmp_path):
    def shard(
        name: str, solver: str = "cpu 1", bound: float = 20.0, accepted: list[str] | None = None
    ) -> dict:
        settings = {"flow": {"bound": bound, "warps": 5}, "accept_damaged": accepted or []}
        write(tmp_path / f"{name}.h5", kind="flow", settings=settings, solver=solver)
        return rows()[0] | {"shard": name}

    alike = [shard("000"), shard("001"), shard("002", accepted=["a"])]
    reader.Shards(tmp_path, "flow").require_alike(alike)
    for odd, words in (
        (shard("003", solver="opencv 5.0.0"), r"solver opencv 5\.0\.0 \(not cpu 1\)"),
        (shard("004", bound=5.0), r"flow\.bound 5\.0 \(not 20\.0\)"),
    ):
        with pytest.raises(
            PipelineError,
            match=rf"{odd['shard']}\.h5: made otherwise than .*000\.h5 and 2 more: {words}",
        ):
            reader.Shards(tmp_path, "flow").require_alike([*alike, odd])


def test_a_clip_of_other_length_than_the_index_says_is_refused(tmp_path):
    for kind, found, wanted in (("frames", 5, 6), ("flow", 4, 5)):
        write(tmp_path / kind / "000.h5", kind=kind)
        with pytest.raises(PipelineError) as caught:
            reader.Shards(tmp_path / kind, kind)(rows()[1] | {"frames": 6})
        message = str(caught.value)
        assert message.startswith(
            f"{tmp_path / kind / '000.h5'}: clip '{IDS[1]}' has {found} {kind}"
        )
        assert f"wants {wanted}" in message and "\n" not in message and "snakemake" in message


@pytest.mark.parametrize("kind", ["frames", "flow"])
def test_lossless_codings_have_one_digest_and_may_be_mixed_but_a_lossy_one_may_not(tmp_path, kind):
    digests, mixed = {}, []
    for number, coding in enumerate(
        [Codec("gzip"), Codec("lz4"), Codec("jpeg", 90), Codec("jpeg", 50)]
    ):
        settings = {"decode": {}, "store": {kind: coding.name, f"{kind}_quality": coding.quality}}
        assert Codec.of(settings, kind) == coding
        digests[coding] = write(
            tmp_path / f"{number:03}.h5", kind=kind, settings=settings, coding=coding
        )
        mixed.append(rows()[0] | {"shard": f"{number:03}"})
        with h5py.File(tmp_path / f"{number:03}.h5") as file:
            assert file.attrs["coding"].startswith(coding.name)
            assert ("lossless" in file.attrs["coding"]) == (coding.name != "jpeg")
    assert digests[Codec("gzip")] == digests[Codec("lz4")] and len(set(digests.values())) == 3
    shards = reader.Shards(tmp_path, kind)
    shards.require_alike(mixed[:2])
    for pair, words in (
        (mixed[:3], f"store.{kind} jpeg"),
        (mixed[2:], f"store.{kind}_quality 50 \\(not 90\\)"),
    ):
        with pytest.raises(PipelineError, match=words):
            shards.require_alike(pair)


def test_few_files_stay_open(tmp_path, monkeypatch):
    monkeypatch.setattr(reader, "OPEN", 2)
    shards = reader.Shards(tmp_path, "frames")
    given = [rows()[0] | {"shard": f"{number:03}"} for number in range(4)]
    for row in given:
        write(tmp_path / f"{row['shard']}.h5")
    for row in [*given, given[2], given[0]]:
        assert (shards(row)[...] == pixels(row)).all()
    assert [path.stem for path in shards._files] == ["002", "000"]
    held = [os.path.realpath(link) for link in Path("/proc/self/fd").iterdir()]
    assert sorted(path for path in held if path.startswith(str(tmp_path))) == [
        f"{tmp_path}/000.h5",
        f"{tmp_path}/002.h5",
    ]


def test_shards_survive_pickle_and_fork(tmp_path, monkeypatch):
    write(tmp_path / "000.h5")
    opened, open_checked = [], reader.open_checked
    monkeypatch.setattr(
        reader, "open_checked", lambda *given: opened.append(os.getpid()) or open_checked(*given)
    )
    shards, row = reader.Shards(tmp_path, "frames"), rows()[1]
    before = shards(row)[...]
    assert (pickle.loads(pickle.dumps(shards))(row)[...] == before).all()
    context = multiprocessing.get_context("fork")
    queue = context.Queue()

    def send():
        queue.put((hashlib.sha256(shards(row)[...]).hexdigest(), os.getpid() in opened))

    children = [context.Process(target=send) for _ in range(2)]
    for child in children:
        child.start()
    found = [queue.get(timeout=20) for _ in children]
    for child in children:
        child.join()
    assert (
        found == [(hashlib.sha256(pixels(row)).hexdigest(), True)] * 2
    )  # read, by a handle of its own
    assert (shards(row)[...] == before).all()
