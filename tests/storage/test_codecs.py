"""Frames and flow in every coding: what is written is what is read, by us and by others, and what is broken is said."""

import importlib.util
import os
import subprocess
import sys

import cv2
import h5py
import numpy as np
import pytest

from pipeline.errors import PipelineError
from pipeline.storage import decoding
from pipeline.storage.codecs import FIELDS, Codec

CODINGS = [Codec("gzip"), Codec("lz4"), Codec("jpeg", 95)]
SHAPES = {"frames": (24, 32, 3), "flow": (2, 24, 32)}
COUNTS = [1, FIELDS - 1, FIELDS, 2 * FIELDS + 3]
PLUGIN = "; ".join(
    [
        "import os, sys, hdf5plugin",
        "import h5py, numpy",
        "data = h5py.File(sys.argv[1])['Run/clip']",
        "numpy.save(sys.argv[2], data[...])",
    ]
)


def smooth(kind: str, count: int) -> np.ndarray:
    """Items that JPEG keeps well: (count, *SHAPES[kind])."""
    rng = np.random.default_rng(count)
    grey = rng.integers(0, 256, (count, 3 if kind == "frames" else 2, 24, 32)).astype(np.float32)
    grey = np.stack([[cv2.GaussianBlur(plane, (0, 0), 6) for plane in item] for item in grey])
    grey = ((grey - grey.min()) * 255 / np.ptp(grey)).astype(np.uint8)
    return grey.transpose(0, 2, 3, 1) if kind == "frames" else grey


def noise(kind: str, count: int) -> np.ndarray:
    return np.random.default_rng(count).integers(0, 256, (count, *SHAPES[kind])).astype(np.uint8)


def write(path, coding: Codec, items: np.ndarray):
    with h5py.File(path, "w") as file:
        data = coding.create(file, "Run/clip", items.shape[1:])
        for start in range(0, len(items), 2 * FIELDS):
            coding.append(data, items[start : start + 2 * FIELDS])
    return path


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("kind", SHAPES)
@pytest.mark.parametrize("coding", CODINGS, ids=str)
def test_what_is_written_is_read(tmp_path, coding, kind, count):
    for make in (smooth, noise) if coding.lossless else (smooth,):  # LZ4 does not shrink noise
        given = make(kind, count)
        with h5py.File(write(tmp_path / "a.h5", coding, given)) as file:
            data = file["Run/clip"]
            assert data.shape == given.shape and data.dtype == np.uint8
            every = decoding.read(data)
            if coding.lossless:
                np.testing.assert_array_equal(every, given)
            else:
                assert np.abs(every.astype(int) - given).mean() < 4 and np.ptp(every) > 200
            for places in (
                [0],
                [count - 1],
                sorted({0, count // 2, count - 1}),
                range(count // 2, count),
                [],
            ):
                np.testing.assert_array_equal(decoding.read(data, places), every[list(places)])


@pytest.mark.parametrize("kind", SHAPES)
@pytest.mark.parametrize("coding", CODINGS, ids=str)
def test_a_cut_is_that_of_the_whole(tmp_path, coding, kind):
    """One by one, each until the next."""
    with h5py.File(write(tmp_path / "a.h5", coding, smooth(kind, 2 * FIELDS + 3))) as file:
        data = file["Run/clip"]
        every, places = decoding.read(data), [0, 3, 4, FIELDS, 2 * FIELDS + 2]
        for rows, columns in (
            (slice(0, 9), slice(20, 32)),
            (slice(11, 12), slice(3, 30)),
            (slice(0, 24), slice(0, 32)),
        ):
            expected = every[:, rows, columns] if kind == "frames" else every[:, :, rows, columns]
            for place, found in zip(
                places, decoding.frames_or_fields(data, places, rows, columns), strict=True
            ):
                np.testing.assert_array_equal(found, expected[place])


def test_codings_differ_in_what_a_chunk_is(tmp_path):
    chunks = {
        (coding.name, kind): h5py.File(write(tmp_path / "a.h5", coding, smooth(kind, 7)))[
            "Run/clip"
        ].chunks
        for coding in CODINGS
        for kind in SHAPES
    }
    assert chunks == {
        ("gzip", "frames"): (1, 24, 32, 3),
        ("gzip", "flow"): (1, 2, 24, 32),
        ("lz4", "frames"): (1, 24, 32, 3),
        ("lz4", "flow"): (FIELDS, 2, 24, 32),
        ("jpeg", "frames"): (1, 24, 32, 3),
        ("jpeg", "flow"): (1, 1, 24, 32),
    }


def test_quality_trades_room_for_likeness(tmp_path):
    given, sizes, errors = smooth("frames", 4), [], []
    for quality in (30, 95):
        with h5py.File(write(tmp_path / "a.h5", Codec("jpeg", quality), given)) as file:
            sizes.append(file["Run/clip"].id.get_storage_size())
            errors.append(np.abs(decoding.read(file["Run/clip"]).astype(int) - given).mean())
    assert sizes[0] < sizes[1] and errors[0] > errors[1]


# --- by others; test_elsewhere.py has what docs/store.md says of it


def plugins() -> str:
    """The folder of hdf5plugin's filters. It is not imported here, which would register them for all tests."""
    found = importlib.util.find_spec("hdf5plugin")
    if found is None:
        pytest.skip("hdf5plugin is not installed")
    return os.path.join(os.path.dirname(found.origin), "plugins")


def test_gzip_is_read_by_plain_h5py(tmp_path):
    given = noise("flow", 7)
    with h5py.File(write(tmp_path / "a.h5", CODINGS[0], given)) as file:
        np.testing.assert_array_equal(file["Run/clip"][...], given)


@pytest.mark.parametrize("kind", SHAPES)
def test_lz4_is_read_through_its_plugin(tmp_path, kind):
    plugins()
    for make in (smooth, noise):
        given = make(kind, 2 * FIELDS + 3)
        write(tmp_path / "a.h5", CODINGS[1], given)
        subprocess.run(
            [sys.executable, "-c", PLUGIN, tmp_path / "a.h5", tmp_path / "a.npy"], check=True
        )
        np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), given)


def test_chunks_of_jpeg_are_jpeg_files(tmp_path):
    for kind, place in (("frames", (2, 0, 0, 0)), ("flow", (2, 1, 0, 0))):
        with h5py.File(write(tmp_path / "a.h5", CODINGS[2], smooth(kind, 3))) as file:
            mask, content = file["Run/clip"].id.read_direct_chunk(place)
            found = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
            expected = decoding.read(file["Run/clip"])[2]
            assert not mask
            assert (
                np.abs(
                    (found[..., ::-1] if kind == "frames" else found).astype(int)
                    - (expected if kind == "frames" else expected[1])
                ).max()
                <= 2
            )


# --- what else a file may hold


def test_a_chunk_written_without_the_filter(tmp_path):
    given = noise("flow", 2 * FIELDS)
    for coding, step in ((CODINGS[1], FIELDS), (CODINGS[2], 1)):
        with h5py.File(write(tmp_path / "a.h5", coding, smooth("flow", 2 * FIELDS)), "r+") as file:
            data = file["Run/clip"]
            before = decoding.read(data)
            chunk = given[FIELDS:] if step == FIELDS else given[FIELDS : FIELDS + 1, :1]
            data.id.write_direct_chunk((FIELDS, 0, 0, 0), chunk.tobytes(), filter_mask=1)
            found = decoding.read(data)
            before[FIELDS : FIELDS + step, : chunk.shape[1]] = chunk
            np.testing.assert_array_equal(found, before)


def by_plugin(tmp_path, given: np.ndarray, coding: str):
    """A dataset that hdf5plugin coded; its filters are registered in a process of its own only."""
    plugins()
    np.save(tmp_path / "given.npy", given)
    program = (
        f"import sys, h5py, numpy, hdf5plugin; h5py.File(sys.argv[1], 'w').create_dataset('Run/clip', "
        f"data=numpy.load(sys.argv[2]), chunks=({FIELDS}, 2, 24, 32), **{coding})"
    )
    subprocess.run(
        [sys.executable, "-c", program, tmp_path / "b.h5", tmp_path / "given.npy"], check=True
    )
    return tmp_path / "b.h5"


def test_lz4_of_hdf5plugin_is_read_directly(tmp_path):
    given = smooth("flow", 2 * FIELDS + 1)
    with h5py.File(by_plugin(tmp_path, given, f"hdf5plugin.LZ4(nbytes={2 * 24 * 32})")) as file:
        np.testing.assert_array_equal(
            decoding.read(file["Run/clip"], [1, FIELDS, 2 * FIELDS]), given[[1, FIELDS, -1]]
        )


@pytest.mark.parametrize(
    "coding", ["hdf5plugin.LZ4()", "hdf5plugin.Blosc2()", "dict(shuffle=True, **hdf5plugin.LZ4())"]
)
def test_other_codings_are_left_to_hdf5(tmp_path, coding):
    """With the plug-ins on their path they are read; without, the sentence says how to get them."""
    given = smooth("flow", 2 * FIELDS + 1)
    path = by_plugin(tmp_path, given, coding)
    with h5py.File(path) as file, pytest.raises(PipelineError) as caught:
        decoding.read(file["Run/clip"])
    message = str(caught.value)
    assert (
        message.startswith(f"{path}: clip 'Run/clip'")
        and "HDF5_PLUGIN_PATH" in message
        and "\n" not in message
    )
    program = (
        "import sys, h5py, numpy; from pipeline.storage import decoding; "
        "numpy.save(sys.argv[2], decoding.read(h5py.File(sys.argv[1])['Run/clip'], [2, 3, 9]))"
    )
    subprocess.run(
        [sys.executable, "-c", program, path, tmp_path / "a.npy"],
        check=True,
        env={**os.environ, "HDF5_PLUGIN_PATH": plugins()},
    )
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), given[[2, 3, 9]])


def spoilt(content: bytes) -> dict[str, bytes]:
    return {
        "nearly nothing": content[:1],
        "short": content[: len(content) // 2],
        "other": bytes(255 - byte for byte in content),
    }


@pytest.mark.parametrize("how", spoilt(b"some"))
@pytest.mark.parametrize("coding", CODINGS, ids=str)
def test_a_broken_chunk_is_named_with_its_file_and_the_cure(tmp_path, coding, how):
    path = write(tmp_path / "a.h5", coding, smooth("frames", 3))
    with h5py.File(path, "r+") as file:
        data = file["Run/clip"].id
        data.write_direct_chunk((1, 0, 0, 0), spoilt(data.read_direct_chunk((1, 0, 0, 0))[1])[how])
    with h5py.File(path) as file:
        decoding.read(file["Run/clip"], [0, 2])
        for read in (
            lambda data: decoding.read(data),
            lambda data: list(decoding.frames_or_fields(data, [1], slice(3, 9), slice(0, 8))),
        ):
            with pytest.raises(PipelineError) as caught:
                read(file["Run/clip"])
            message = str(caught.value)
            assert (
                message.startswith(f"{path}: clip 'Run/clip' cannot be decoded (")
                and "\n" not in message
            )
            assert "run snakemake again" in message
