"""Decoding: rectangles, chunks of other programs, and broken chunks, which the error names."""

import os
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from codec_cases import CODECS, JPEG, LZ4, SHAPES, noise, plugin_folder, smooth, write_clip

from pipeline.errors import PipelineError, remake, set_aside
from pipeline.storage import decoding
from pipeline.storage.codecs import FIELDS_PER_CHUNK


@pytest.mark.parametrize("kind", SHAPES)
@pytest.mark.parametrize("codec", CODECS, ids=str)
def test_a_cut_is_that_of_the_whole(tmp_path, codec, kind):
    """Rectangles come one by one, each valid until the next."""
    fields = smooth(kind, 2 * FIELDS_PER_CHUNK + 3)
    with h5py.File(write_clip(tmp_path / "a.h5", codec, fields)) as file:
        dataset = file["Run/clip"]
        everything = decoding.read(dataset)
        indices = [0, 3, 4, FIELDS_PER_CHUNK, 2 * FIELDS_PER_CHUNK + 2]
        for rows, columns in (
            (slice(0, 9), slice(20, 32)),
            (slice(11, 12), slice(3, 30)),
            (slice(0, 24), slice(0, 32)),
        ):
            rect = (rows, columns) if kind == "frames" else (slice(None), rows, columns)
            found = decoding.frames_or_fields(dataset, indices, rows, columns)
            for index, crop in zip(indices, found, strict=True):
                np.testing.assert_array_equal(crop, everything[index][rect])


# What else a file may hold


def test_a_chunk_written_without_the_filter(tmp_path):
    fields = noise("flow", 2 * FIELDS_PER_CHUNK)
    for codec, step in ((LZ4, FIELDS_PER_CHUNK), (JPEG, 1)):
        path = write_clip(tmp_path / "a.h5", codec, smooth("flow", 2 * FIELDS_PER_CHUNK))
        with h5py.File(path, "r+") as file:
            dataset = file["Run/clip"]
            expected = decoding.read(dataset)
            # A chunk of lz4 is FIELDS_PER_CHUNK fields, one of jpeg is the x plane of one.
            chunk = fields[FIELDS_PER_CHUNK : FIELDS_PER_CHUNK + step, : 2 if step > 1 else 1]
            offset = (FIELDS_PER_CHUNK, 0, 0, 0)
            dataset.id.write_direct_chunk(offset, chunk.tobytes(), filter_mask=1)
            found = decoding.read(dataset)
            expected[FIELDS_PER_CHUNK : FIELDS_PER_CHUNK + step, : chunk.shape[1]] = chunk
            np.testing.assert_array_equal(found, expected)


def write_by_plugin(tmp_path: Path, fields: np.ndarray, options: str) -> Path:
    """Write fields with a filter of hdf5plugin, which only a process of its own loads."""
    plugin_folder()
    np.save(tmp_path / "fields.npy", fields)
    program = (
        "import sys, h5py, numpy, hdf5plugin; h5py.File(sys.argv[1], 'w').create_dataset("
        f"'Run/clip', data=numpy.load(sys.argv[2]), chunks=({FIELDS_PER_CHUNK}, 2, 24, 32), "
        f"**{options})"
    )
    command = [sys.executable, "-c", program, tmp_path / "b.h5", tmp_path / "fields.npy"]
    subprocess.run(command, check=True)
    return tmp_path / "b.h5"


def test_lz4_of_hdf5plugin_is_read_directly(tmp_path):
    fields = smooth("flow", 2 * FIELDS_PER_CHUNK + 1)
    path = write_by_plugin(tmp_path, fields, f"hdf5plugin.LZ4(nbytes={2 * 24 * 32})")
    with h5py.File(path) as file:
        found = decoding.read(file["Run/clip"], [1, FIELDS_PER_CHUNK, 2 * FIELDS_PER_CHUNK])
    np.testing.assert_array_equal(found, fields[[1, FIELDS_PER_CHUNK, -1]])


@pytest.mark.parametrize(
    "options", ["hdf5plugin.LZ4()", "hdf5plugin.Blosc2()", "dict(shuffle=True, **hdf5plugin.LZ4())"]
)
def test_other_codings_are_left_to_hdf5(tmp_path, options):
    """With the plug-ins on their path they are read; without, the error says how to get them."""
    fields = smooth("flow", 2 * FIELDS_PER_CHUNK + 1)
    path = write_by_plugin(tmp_path, fields, options)
    with h5py.File(path) as file, pytest.raises(PipelineError) as caught:
        decoding.read(file["Run/clip"])
    message = str(caught.value)
    assert message.startswith(f"{path}: clip 'Run/clip'")
    assert "HDF5_PLUGIN_PATH" in message and "\n" not in message
    program = (
        "import sys, h5py, numpy; from pipeline.storage import decoding; "
        "numpy.save(sys.argv[2], decoding.read(h5py.File(sys.argv[1])['Run/clip'], [2, 3, 9]))"
    )
    subprocess.run(
        [sys.executable, "-c", program, path, tmp_path / "a.npy"],
        check=True,
        env={**os.environ, "HDF5_PLUGIN_PATH": plugin_folder()},
    )
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), fields[[2, 3, 9]])


# Broken chunks


def spoilt(content: bytes) -> dict[str, bytes]:
    return {
        "nearly nothing": content[:1],
        "short": content[: len(content) // 2],
        "other": bytes(255 - byte for byte in content),
    }


@pytest.mark.parametrize("how", spoilt(b"some"))
@pytest.mark.parametrize("codec", CODECS, ids=str)
def test_a_broken_chunk_is_named_with_its_file_and_the_cure(tmp_path, codec, how):
    path = write_clip(tmp_path / "a.h5", codec, smooth("frames", 3))
    with h5py.File(path, "r+") as file:
        dataset_id = file["Run/clip"].id
        content = dataset_id.read_direct_chunk((1, 0, 0, 0))[1]
        dataset_id.write_direct_chunk((1, 0, 0, 0), spoilt(content)[how])
    with h5py.File(path) as file:
        # The other chunks are good.
        decoding.read(file["Run/clip"], [0, 2])
        for read in (
            lambda dataset: decoding.read(dataset),
            lambda dataset: list(decoding.frames_or_fields(dataset, [1], slice(3, 9), slice(0, 8))),
        ):
            with pytest.raises(PipelineError) as caught:
                read(file["Run/clip"])
            message = str(caught.value)
            # Of gzip HDF5 alone says so, and no seal proves that the file is the pipeline's.
            found = "cannot be decoded (" if codec.name == "gzip" else "is damaged: the chunk of"
            assert message.startswith(f"{path}: clip 'Run/clip' {found}")
            cure = set_aside(path) if codec.name == "gzip" else remake(path)
            assert message.endswith(f"; {cure}") and "\n" not in message
