"""The command `pipeline inspect` as a user meets it."""

import os
import zipfile

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
    newer, pipe, network = tmp_path / "newer.h5", tmp_path / "pipe.h5", tmp_path / "a.pt"
    text.write_text("no HDF5")
    cut.write_bytes(shard.read_bytes()[:3000])
    with h5py.File(foreign, "w") as file:
        file["data"] = 1
    with h5py.File(newer, "w") as file:
        file.attrs["format"] = "pipeline/new"
    os.mkfifo(pipe)
    with zipfile.ZipFile(network, "w") as file:
        file.writestr("network/data.pkl", "")
    return {
        "missing": ([tmp_path / "none.h5"], "no such file"),
        "folder": ([tmp_path], "this is a folder; name a file of a run"),
        "text": ([text], "this is a text file; name a file of a run"),
        "cut": ([cut], "HDF5"),
        "foreign": ([foreign], "an HDF5 file of another program, which holds data; name"),
        "newer": ([newer], "this is an HDF5 file of kind pipeline/new; name"),
        "pipe": ([pipe], "this is a named pipe; name"),
        "network": ([network], "and not a network of this pipeline"),
        "picture": ([network, "--png", tmp_path / "a.png"], "a network has no pictures"),
        "clips": ([network, "run_0"], "a network has no clips"),
        "clip": ([shard, "run_7"], "the nearest: Run/run_"),
        "far": ([shard, "~"], "Run/run_0"),
        "video": ([shard, "--video", "a.avi"], "give --png, too"),
        "ending": ([shard, "--png", tmp_path / "a.pdf"], "PNG"),
        "place": ([shard, "--png", tmp_path / "none" / "a.png"], "folder does not exist"),
    }[name]


@pytest.mark.parametrize(
    "name",
    [
        *("missing", "folder", "text", "cut", "foreign", "newer", "pipe", "network", "picture"),
        *("clips", "clip", "far", "video", "ending", "place"),
    ],
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
    assert word in result.stderr and "rm " not in result.stderr


def add_external(file):
    file["Run/run_9"] = h5py.ExternalLink("/etc/passwd", "/")


def add_soft(file):
    file["Run/run_9"] = h5py.SoftLink("/Run/run_9")


def add_external_storage(file):
    file.create_dataset("Run/run_9", (8,), "u1", external=[("/etc/passwd", 0, 8)])


def add_virtual(file):
    file.create_virtual_dataset("Run/run_9", h5py.VirtualLayout((8,), "u1"))


def add_giant(file):
    file.create_dataset("Run/run_9", (2**40, 4), "u1", chunks=(1024, 4))


def add_depth(file):
    file.create_group("/".join(["Run", *["g"] * 60]))


def add_settings(file):
    file.attrs["settings"] = "{"


def add_no_settings(file):
    del file.attrs["settings"]


def add_deep_settings(file):
    file.attrs["settings"] = "[" * 60000


@pytest.mark.parametrize(
    "change, word",
    [
        (add_external, "a link to another file (/etc/passwd:/)"),
        (add_soft, "a link to another place"),
        (add_external_storage, "'Run/run_9' is kept in other files"),
        (add_virtual, "'Run/run_9' is a virtual dataset"),
        (add_giant, "'Run/run_9' claims 4,398.0 GB"),
        (add_depth, "more than 50 deep"),
        (add_settings, "cannot be read (JSONDecodeError"),
        (add_no_settings, "cannot be read (KeyError"),
        (add_deep_settings, "cannot be read (RecursionError"),
    ],
)
def test_hostile_files_are_answered_with_one_sentence(tmp_path, shard, change, word):
    # Apart from its seal, as a file that somebody sends is.
    path = shard.rename(tmp_path / "hostile.h5")
    with h5py.File(path, "a") as file:
        change(file)
    result = inspect(path)
    assert result.exit_code == 1 and result.stdout == "" and result.stderr.count("\n") == 1
    assert result.stderr.startswith(f"error: {path}: ") and word in result.stderr


def test_control_characters_do_not_reach_the_terminal(tmp_path, shard):
    path = shard.rename(tmp_path / "hostile.h5")
    with h5py.File(path, "a") as file:
        file.attrs["made_with"] = "\x1b[2Jcleared"
    result = inspect(path)
    assert result.exit_code == 0 and "\x1b" not in result.output
    assert "\\x1b[2Jcleared" in result.output
