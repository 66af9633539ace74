"""What the files hold: any program that reads HDF5 finds its way in them."""

import json

import h5py
import numpy as np
import pytest
from small_shards import CODE, SETTINGS, files, index_rows, pixels, write

from pipeline.storage import attributes
from pipeline.storage.codecs import FIELDS_PER_CHUNK
from pipeline.storage.layout import BLOCK, flow_of


@pytest.mark.parametrize("kind", ["frames", "flow"])
def test_anyone_can_read_a_shard(tmp_path, kind):
    write(tmp_path / "000.h5", kind=kind)
    assert files(tmp_path) == ["000.h5"]
    with h5py.File(tmp_path / "000.h5") as file:
        found = attributes.read(file)
        assert (found["format"], found["schema"], found["code"]) == (f"pipeline/{kind}", 2, CODE)
        assert json.loads(file.attrs["settings"]) == SETTINGS
        assert found["made_with"] == "ffmpeg 7" and len(found["about"]) > 50
        assert sorted(file) == ["Jump", "Run"] and sum(len(group) for group in file.values()) == 3
        keys = ["Run/v_Run_g01_c01", "Run/%28HQ%29%20100%25%2B%21", "Jump/%2Da"]
        for row, key in zip(index_rows(), keys, strict=True):
            dataset, expected = file[key], pixels(row, kind)
            assert dataset.dtype == np.uint8 and (dataset[...] == expected).all()
            assert dataset.chunks == (1, *expected.shape[1:]) and dataset.compression == "gzip"
            source = row["clip"].split("/")[1] + ".avi"
            expected = {"clip": row["clip"], "source": source, "sha256": row["sha256"]}
            assert attributes.read(dataset) == expected


def test_blocks_are_whole_chunks():
    assert BLOCK % FIELDS_PER_CHUNK == 0


def test_flow_is_told_by_version_and_not_by_which_of_our_solvers_made_it():
    assert flow_of("cpu 1") == flow_of("cuda 1") != flow_of("cuda 2")
    assert flow_of("opencv 5.0.0") == "opencv 5.0.0" and flow_of("") == ""
