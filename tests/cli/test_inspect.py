"""The command `pipeline inspect` as a user meets it."""

import h5py
import pytest
from typer.testing import CliRunner

from pipeline.cli.app import app


def inspect(*arguments):
    return CliRunner().invoke(app, ["inspect", *map(str, arguments)])


def test_file_and_clip(shard):
    whole, cut, clip = inspect(shard, "--all"), inspect(shard), inspect(shard, "run_4")
    assert [result.exit_code for result in (whole, cut, clip)] == [0, 0, 0]
    assert "run_4" in whole.output and "run_4" not in cut.output and "--all" in cut.output
    assert clip.output.startswith("Run/run_4\n") and "2 of 8 x 6 pixels" in clip.output


def test_picture_of_a_clip_and_of_the_first(shard, tmp_path):
    first, named = (
        inspect(shard, "--png", tmp_path / "a.png"),
        inspect(shard, "run_3", "--png", tmp_path / "b.png"),
    )
    assert f"{tmp_path / 'a.png'}: a picture of Run/run_0, the first clip" in first.output
    assert named.output.endswith("a picture of Run/run_3\n")
    assert all((tmp_path / name).read_bytes().startswith(b"\x89PNG") for name in ("a.png", "b.png"))


def broken(name, tmp_path, shard):
    """Arguments that must fail, and a word of the complaint."""
    text, foreign, cut = tmp_path / "text.h5", tmp_path / "foreign.h5", tmp_path / "cut.h5"
    text.write_text("no HDF5")
    cut.write_bytes(shard.read_bytes()[:3000])
    with h5py.File(foreign, "w") as file:
        file["data"] = 1
    return {
        "missing": ([tmp_path / "none.h5"], "no such file"),
        "folder": ([tmp_path], "folder"),
        "text": ([text], "HDF5"),
        "cut": ([cut], "HDF5"),
        "foreign": ([foreign], "pipeline"),
        "clip": ([shard, "run_7"], "the nearest: Run/run_"),
        "far": ([shard, "~"], "Run/run_0"),
        "ending": ([shard, "--png", tmp_path / "a.pdf"], "PNG"),
        "place": ([shard, "--png", tmp_path / "none" / "a.png"], "folder does not exist"),
    }[name]


@pytest.mark.parametrize(
    "name", ["missing", "folder", "text", "cut", "foreign", "clip", "far", "ending", "place"]
)
def test_bad_input_is_answered_with_one_sentence(name, tmp_path, shard):
    arguments, word = broken(name, tmp_path, shard)
    result = inspect(*arguments)
    assert result.exit_code == 1 and isinstance(result.exception, SystemExit)
    assert (
        result.stdout == ""
        and result.stderr.startswith("error: ")
        and result.stderr.count("\n") == 1
    )
    assert word in result.stderr
