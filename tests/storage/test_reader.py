"""Reading: a broken, foreign or mixed file is never taken for a good one."""

import hashlib
import json
import multiprocessing
import os
import pickle
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from small_shards import CLIP_IDS, index_rows, pixels, write

from pipeline.errors import PipelineError, remake
from pipeline.files import seal_of
from pipeline.storage import attributes, codecs, damage, decoding, layout, reader, writer
from pipeline.storage.codecs import Codec

# Files that cannot be read


def make_foreign(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["x"] = 1


def make_looping(path: Path) -> None:
    """A file of the oldest format with a heap of texts full of zeros, at which HDF5 2.0 loops."""
    with h5py.File(path, "w") as file:
        file.attrs["format"] = "pipeline/frames"
    content = bytearray(path.read_bytes())
    heap = content.index(b"GCOL")
    content[heap + 16 :] = bytes(len(content) - heap - 16)
    path.write_bytes(content)


def make_newer(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        file.attrs["schema"] = 99


# What is done to a good shard, and what the error must hold.
BAD = {
    "missing": (Path.unlink, "no such file"),
    "text": (lambda path: path.write_text("clip,frames\n"), "HDF5"),
    "empty": (lambda path: path.write_bytes(b""), "HDF5"),
    "truncated": (lambda path: path.write_bytes(path.read_bytes()[:-1000]), "cut short"),
    "foreign": (make_foreign, "pipeline/frames"),
    "other kind": (lambda path: write(path, kind="flow"), "pipeline/flow"),
    "other schema": (make_newer, "99"),
    "looping": (make_looping, "no end with it in 1 s"),
}
# What is left of the file that was written, by which it is known as the pipeline's.
OWN = {"empty", "truncated"}


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("sealed", [True, False])
def test_bad_files_are_refused_with_a_cure(tmp_path, monkeypatch, bad, sealed):
    """What may be somebody's own is not to be deleted."""
    monkeypatch.setattr(damage, "MOST_SECONDS", 1)
    path, (spoil, part) = tmp_path / "a shard.h5", BAD[bad]
    write(path)
    spoil(path)
    if not sealed:
        seal_of(path).unlink()
    with pytest.raises(PipelineError) as caught:
        reader.open_checked(path, "frames")
    message = str(caught.value)
    assert message.startswith(f"{path}: ") and "\n" not in message and "snakemake" in message
    assert (f"rm '{path}'" in message) == (sealed and bad in OWN)
    # What is put there by `replacing` is the pipeline's.
    if bad == "missing" or bad == "other kind" or not sealed:
        assert part in message
    else:
        assert "written" in message


def test_damaged_tables_of_a_store_are_found(tmp_path):
    """Its seal is looked at for the size alone, as it is large; HDF5 checks its tables."""
    path = tmp_path / "000.h5"
    write(path, codec=Codec("lz4"))
    whole = path.read_bytes()
    expected = {row["clip"]: pixels(row) for row in index_rows()}
    for offset in range(0, len(whole), 7):
        path.write_bytes(whole[:offset] + bytes([whole[offset] ^ 16]) + whole[offset + 1 :])
        try:
            shards = reader.Shards(path, "frames")
            found = {row["clip"]: decoding.read(shards.dataset(row)) for row in index_rows()}
        except PipelineError as error:
            assert str(path) in str(error) and f"; {remake(path)}" in str(error)
        else:
            assert all((found[clip] == expected[clip]).all() for clip in expected)


WRITE = """
import sys, h5py
file = h5py.File(sys.argv[1], "r+", libver=("v110", "v110"))
print("open", flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("sealed", [True, False])
def test_a_file_that_another_program_writes_to_is_not_called_damaged(tmp_path, sealed):
    path = tmp_path / "000.h5"
    write(path)
    if not sealed:
        seal_of(path).unlink()
    command = [sys.executable, "-c", WRITE, path]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout.readline() == b"open\n"
        for kind in ("frames", None):
            with pytest.raises(PipelineError, match="another program writes to it") as caught:
                reader.open_checked(path, kind)
            assert "rm " not in str(caught.value)
        other.communicate(b"")
    # Nothing was written.
    reader.open_checked(path, "frames").close()


def test_any_kind_can_be_opened(tmp_path):
    write(tmp_path / "000.h5", kind="flow")
    with reader.open_checked(tmp_path / "000.h5") as file:
        assert len(file) == 2


@pytest.mark.parametrize("codec", [Codec("gzip"), Codec("lz4"), Codec("jpeg", 90)], ids=str)
def test_files_of_schema_1_are_read_unchecked(tmp_path, monkeypatch, codec):
    """As version 0.1 wrote them: without checksums, seals or strings of a fixed length."""
    write(tmp_path / "new.h5", codec=codec)
    monkeypatch.setattr(layout, "SCHEMA", 1)
    monkeypatch.setattr(layout, "LIBRARY_VERSIONS", None)
    monkeypatch.setattr(attributes, "write", lambda node, values: node.attrs.update(values))
    with_checksum = codecs._external_filter
    monkeypatch.setattr(codecs, "_external_filter", lambda *given: with_checksum(*given[:-1]))
    monkeypatch.setattr(
        codecs,
        "_write_chunk",
        lambda dataset, offset, content: dataset.id.write_direct_chunk(offset, content),
    )
    write(tmp_path / "old.h5", codec=codec)
    seal_of(tmp_path / "old.h5").unlink()
    new, old = (reader.Shards(tmp_path / name, "frames") for name in ("new.h5", "old.h5"))
    for row in index_rows():
        expected, found = (decoding.read(shards.dataset(row)) for shards in (new, old))
        assert (expected == found).all()
    new.check_same_settings(index_rows())
    assert old._settings_and_solver(tmp_path / "old.h5") == new._settings_and_solver(
        tmp_path / "new.h5"
    )


# Clips of shards


def test_shards_of_a_folder_and_of_one_file(tmp_path):
    write(tmp_path / "000.h5")
    for path in (tmp_path, tmp_path / "000.h5"):
        shards = reader.Shards(path, "frames")
        assert all((shards.dataset(row)[...] == pixels(row)).all() for row in index_rows())
        with pytest.raises(PipelineError, match="Run/none") as caught:
            shards.dataset(index_rows()[0] | {"clip": "Run/none"})
        assert str(caught.value).startswith(f"{tmp_path / '000.h5'}: ")
    with pytest.raises(PipelineError, match="pipeline/flow"):
        reader.Shards(tmp_path, "flow").dataset(index_rows()[0])


def test_a_clip_of_other_length_than_the_index_says_is_refused(tmp_path):
    for kind, found, wanted in (("frames", 5, 6), ("flow", 4, 5)):
        path = tmp_path / kind / "000.h5"
        write(path, kind=kind)
        with pytest.raises(PipelineError) as caught:
            reader.Shards(tmp_path / kind, kind).dataset(index_rows()[1] | {"frames": 6})
        message = str(caught.value)
        assert message.startswith(f"{path}: clip '{CLIP_IDS[1]}' has {found} {kind}")
        assert f"wants {wanted}" in message and "\n" not in message and "snakemake" in message


def test_few_files_stay_open(tmp_path, monkeypatch):
    monkeypatch.setattr(reader, "MAX_OPEN_FILES", 2)
    shards = reader.Shards(tmp_path, "frames")
    rows = [index_rows()[0] | {"shard": f"{number:03}"} for number in range(4)]
    for row in rows:
        write(tmp_path / f"{row['shard']}.h5")
    for row in [*rows, rows[2], rows[0]]:
        assert (shards.dataset(row)[...] == pixels(row)).all()
    assert [path.stem for path in shards._files] == ["002", "000"]
    open_files = [os.path.realpath(link) for link in Path("/proc/self/fd").iterdir()]
    assert sorted(path for path in open_files if path.startswith(str(tmp_path))) == [
        f"{tmp_path}/000.h5",
        f"{tmp_path}/002.h5",
    ]


def test_shards_survive_pickle_and_fork(tmp_path, monkeypatch):
    write(tmp_path / "000.h5")
    opened_by, open_checked = [], reader.open_checked
    monkeypatch.setattr(
        reader, "open_checked", lambda *args: opened_by.append(os.getpid()) or open_checked(*args)
    )
    shards, row = reader.Shards(tmp_path, "frames"), index_rows()[1]
    before = shards.dataset(row)[...]
    assert (pickle.loads(pickle.dumps(shards)).dataset(row)[...] == before).all()
    context = multiprocessing.get_context("fork")
    queue = context.Queue()

    def send():
        digest = hashlib.sha256(shards.dataset(row)[...]).hexdigest()
        queue.put((digest, os.getpid() in opened_by))

    children = [context.Process(target=send) for _ in range(2)]
    for child in children:
        child.start()
    found = [queue.get(timeout=20) for _ in children]
    for child in children:
        child.join()
    # Each child has read the clip through a handle of its own.
    assert found == [(hashlib.sha256(pixels(row)).hexdigest(), True)] * 2
    assert (shards.dataset(row)[...] == before).all()


# Shards that were made in different ways


def test_shards_made_in_different_ways_are_refused(tmp_path):
    def shard(
        name: str, solver: str = "cpu 1", bound: float = 20.0, accepted: list[str] | None = None
    ) -> dict:
        """Write a shard with these settings; returns the index row of a clip in it."""
        flow = {"bound": bound, "warps": 5, "backend": solver.partition(" ")[0]}
        settings = {"flow": flow, "accept_damaged": accepted or []}
        write(tmp_path / f"{name}.h5", kind="flow", settings=settings, solver=solver)
        return index_rows()[0] | {"shard": name}

    alike = [shard("000"), shard("001", solver="cuda 1"), shard("002", accepted=["a"])]
    reader.Shards(tmp_path, "flow").check_same_settings(alike)
    opencv = r"flow\.backend opencv \(not cpu\), solver opencv 5\.0\.0 \(not cpu 1\); if"
    for odd, words in (
        (shard("003", solver="opencv 5.0.0"), opencv),
        (shard("004", bound=5.0), r"flow\.bound 5\.0 \(not 20\.0\); if"),
        (shard("005", solver="cuda 1", bound=5.0), r"flow\.bound 5\.0 \(not 20\.0\); if"),
        (
            shard("006", solver="cuda 2"),
            r"flow\.backend cuda \(not cpu\), solver cuda 2 \(not cpu 1",
        ),
    ):
        with pytest.raises(
            PipelineError,
            match=rf"{odd['shard']}\.h5: made otherwise than .*000\.h5 and 2 more: {words}",
        ):
            reader.Shards(tmp_path, "flow").check_same_settings([*alike, odd])


def test_equal_numbers_are_equal_however_they_are_spelt(tmp_path):
    rows = []
    for name, bound in (("000", 5), ("001", 5.0)):
        write(tmp_path / f"{name}.h5", kind="flow", settings={"flow": {"bound": bound}})
        rows.append(index_rows()[0] | {"shard": name})
    reader.Shards(tmp_path, "flow").check_same_settings(rows)


def test_a_shard_that_was_copied_over_another_one_is_refused(tmp_path):
    """Its record says what the other one was made with."""
    path, row = tmp_path / "000.h5", index_rows()[0]
    write(path, kind="flow", settings={"flow": {"bound": 5}})
    record = path.with_suffix(".json")
    for stated in ({"flow": {"bound": 5.0}}, None):
        record.write_text(json.dumps({"settings": stated} if stated else {}))
        reader.Shards(tmp_path, "flow").check_same_settings([row])
    record.write_text(json.dumps({"settings": {"flow": {"bound": 20}}}))
    with pytest.raises(
        PipelineError, match=r"000.h5: made with flow.bound 5 \(not 20\) by its rec"
    ):
        reader.Shards(tmp_path, "flow").check_same_settings([row])


@pytest.mark.parametrize("kind", ["frames", "flow"])
def test_lossless_codings_have_one_digest_and_may_be_mixed_but_a_lossy_one_may_not(tmp_path, kind):
    digests, rows = {}, []
    codecs = [Codec("gzip"), Codec("lz4"), Codec("jpeg", 90), Codec("jpeg", 50)]
    for number, codec in enumerate(codecs):
        path = tmp_path / f"{number:03}.h5"
        settings = {"decode": {}, "store": {kind: codec.name, f"{kind}_quality": codec.quality}}
        assert Codec.from_settings(settings, kind) == codec
        digests[codec] = write(path, kind=kind, settings=settings, codec=codec)
        rows.append(index_rows()[0] | {"shard": f"{number:03}"})
        with h5py.File(path) as file:
            coding = attributes.read(file)["coding"]
            assert coding.startswith(codec.name)
            assert ("lossless" in coding) == (codec.name != "jpeg")
    assert digests[Codec("gzip")] == digests[Codec("lz4")] and len(set(digests.values())) == 3
    shards = reader.Shards(tmp_path, kind)
    shards.check_same_settings(rows[:2])
    for mixed, words in (
        (rows[:3], f"store.{kind} jpeg"),
        (rows[2:], f"store.{kind}_quality 50 \\(not 90\\)"),
    ):
        with pytest.raises(PipelineError, match=words):
            shards.check_same_settings(mixed)


def test_the_digest_of_content_is_of_arrays_alone(tmp_path):
    def digest(code="c1", bias=0.5, classes=("Run", "Jump")) -> str:
        with writer.create(tmp_path / "svm.h5", "svm", {}, code) as file:
            file["bias"], file["classes"] = np.array([bias, 1.0], np.float32), list(classes)
        return reader.content_digest(tmp_path / "svm.h5", "svm")

    first = digest()
    assert len(first) == 16 and digest(code="c2") == first
    assert digest(bias=0.25) != first and digest(classes=("Jump", "Run")) != first
