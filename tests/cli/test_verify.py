"""The command `pipeline verify` as a user meets it."""

import shutil
import subprocess

import numpy as np
import pytest
from typer.testing import CliRunner

from pipeline.cli.app import app
from pipeline.files import seal_of
from pipeline.jobs import record
from pipeline.storage import writer
from pipeline.storage.codecs import Codec


def verify(*paths):
    return CliRunner().invoke(app, ["verify", *map(str, paths)])


@pytest.fixture
def results(tmp_path):
    """A shard of flow with its record."""
    row = {"clip": "Run/a", "path": "Run/a.avi", "sha256": "0123456789abcdef", "frames": 12}
    fields = np.random.default_rng(0).integers(0, 9, (11, 2, 24, 32), dtype=np.uint8)
    path = tmp_path / "results/mini/flow/000.h5"
    writer.write_shard(
        path, "flow", [row], lambda row: iter(fields), {}, "c0de", "by hand", codec=Codec("lz4")
    )
    record.write(path.with_suffix(".json"), "flow", "abc", {}, "c0de")
    return tmp_path / "results"


def damage(path, offset=0.5):
    content = bytearray(path.read_bytes())
    content[int(len(content) * offset)] ^= 1
    path.write_bytes(content)


def test_good_files_are_counted(results):
    done = verify(results)
    assert done.exit_code == 0 and "3 files: 3 intact\n" in done.stdout


def test_every_damaged_file_is_named_with_a_command_that_works(results):
    paths = [results / "mini/flow/000.h5", results / "mini/flow/000.json"]
    for path in paths:
        damage(path)
    done = verify(results)
    lines = [line for line in done.stdout.splitlines() if line.startswith("damaged: ")]
    assert done.exit_code == 1 and len(lines) == 2
    assert "3 files: 1 intact, 2 damaged" in done.stdout
    for line, path in zip(lines, paths, strict=True):
        assert line.startswith(f"damaged: {path}: ")
        command = line.partition("snakemake command again: ")[2].partition(" (")[0]
        subprocess.run(command, shell=True, check=True)
        assert not path.exists()
    assert verify(results).exit_code == 0


def test_flow_that_was_copied_alone_is_decoded(results, tmp_path):
    alone = tmp_path / "alone"
    alone.mkdir()
    for name in ("000.h5", "000.json"):
        shutil.copy(results / "mini/flow" / name, alone)
        assert not seal_of(alone / name).exists()
    done = verify(alone)
    assert done.exit_code == 0
    assert "1 intact by its own checksums, 1 not checked" in done.stdout
    damage(alone / "000.h5", 0.7)
    done = verify(alone / "000.h5")
    assert done.exit_code == 1 and "clip 'Run/a' is damaged: the chunk of field" in done.stdout


def test_a_folder_that_is_not_there(tmp_path):
    done = verify(tmp_path / "none")
    assert done.exit_code == 1 and "there is no such folder" in done.stderr
