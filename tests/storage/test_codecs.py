"""Codecs: what is written is what is read, by this package and by other programs."""

import subprocess
import sys

import cv2
import h5py
import numpy as np
import pytest
from codec_cases import (
    CODECS,
    GZIP,
    JPEG,
    LZ4,
    SHAPES,
    noise,
    plugin_folder,
    smooth,
    write_clip,
)

from pipeline.storage import decoding
from pipeline.storage.codecs import FIELDS_PER_CHUNK, Codec

COUNTS = [1, FIELDS_PER_CHUNK - 1, FIELDS_PER_CHUNK, 2 * FIELDS_PER_CHUNK + 3]
# A program that reads a clip with the filters of hdf5plugin, without this package.
READ_WITH_PLUGIN = "; ".join(
    [
        "import os, sys, hdf5plugin",
        "import h5py, numpy",
        "data = h5py.File(sys.argv[1])['Run/clip']",
        "numpy.save(sys.argv[2], data[...])",
    ]
)


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("kind", SHAPES)
@pytest.mark.parametrize("codec", CODECS, ids=str)
def test_what_is_written_is_read(tmp_path, codec, kind, count):
    # LZ4 does not shrink noise.
    for make in (smooth, noise) if codec.lossless else (smooth,):
        arrays = make(kind, count)
        with h5py.File(write_clip(tmp_path / "a.h5", codec, arrays)) as file:
            dataset = file["Run/clip"]
            assert dataset.shape == arrays.shape and dataset.dtype == np.uint8
            everything = decoding.read(dataset)
            if codec.lossless:
                np.testing.assert_array_equal(everything, arrays)
            else:
                assert np.abs(everything.astype(int) - arrays).mean() < 4
                assert np.ptp(everything) > 200
            for indices in (
                [0],
                [count - 1],
                sorted({0, count // 2, count - 1}),
                range(count // 2, count),
                [],
            ):
                np.testing.assert_array_equal(
                    decoding.read(dataset, indices), everything[list(indices)]
                )


def test_codings_differ_in_what_a_chunk_is(tmp_path):
    chunks = {
        (codec.name, kind): h5py.File(write_clip(tmp_path / "a.h5", codec, smooth(kind, 7)))[
            "Run/clip"
        ].chunks
        for codec in CODECS
        for kind in SHAPES
    }
    assert chunks == {
        ("gzip", "frames"): (1, 24, 32, 3),
        ("gzip", "flow"): (1, 2, 24, 32),
        ("lz4", "frames"): (1, 24, 32, 3),
        ("lz4", "flow"): (FIELDS_PER_CHUNK, 2, 24, 32),
        ("jpeg", "frames"): (1, 24, 32, 3),
        ("jpeg", "flow"): (1, 1, 24, 32),
    }


def test_quality_trades_room_for_likeness(tmp_path):
    frames, sizes, errors = smooth("frames", 4), [], []
    for quality in (30, 95):
        with h5py.File(write_clip(tmp_path / "a.h5", Codec("jpeg", quality), frames)) as file:
            dataset = file["Run/clip"]
            sizes.append(dataset.id.get_storage_size())
            errors.append(np.abs(decoding.read(dataset).astype(int) - frames).mean())
    assert sizes[0] < sizes[1] and errors[0] > errors[1]


# Other programs; test_elsewhere.py tests what docs/store.md says of them.


def test_gzip_is_read_by_plain_h5py(tmp_path):
    fields = noise("flow", 7)
    with h5py.File(write_clip(tmp_path / "a.h5", GZIP, fields)) as file:
        np.testing.assert_array_equal(file["Run/clip"][...], fields)


@pytest.mark.parametrize("kind", SHAPES)
def test_lz4_is_read_through_its_plugin(tmp_path, kind):
    plugin_folder()
    for make in (smooth, noise):
        arrays = make(kind, 2 * FIELDS_PER_CHUNK + 3)
        write_clip(tmp_path / "a.h5", LZ4, arrays)
        command = [sys.executable, "-c", READ_WITH_PLUGIN, tmp_path / "a.h5", tmp_path / "a.npy"]
        subprocess.run(command, check=True)
        np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), arrays)


def test_chunks_of_jpeg_are_jpeg_files(tmp_path):
    for kind, offset in (("frames", (2, 0, 0, 0)), ("flow", (2, 1, 0, 0))):
        with h5py.File(write_clip(tmp_path / "a.h5", JPEG, smooth(kind, 3))) as file:
            filter_mask, content = file["Run/clip"].id.read_direct_chunk(offset)
            found = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
            expected = decoding.read(file["Run/clip"])[2]
        assert not filter_mask
        if kind == "frames":
            # OpenCV gives BGR.
            found = found[..., ::-1]
        else:
            # The chunk is the y plane.
            expected = expected[1]
        assert np.abs(found.astype(int) - expected).max() <= 2
