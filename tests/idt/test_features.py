"""What the command `pipeline idt` writes, and how it refuses."""

import numpy as np
import pytest
from idt_cases import extract_all, run_command, square

from pipeline.storage import reader
from pipeline.video.decode import decode
from pipeline.video.encode import encode


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    path = tmp_path_factory.mktemp("clip") / "a square.avi"
    encode(path, np.stack([np.stack([image] * 3, axis=-1) for image in square(20)]), 25)
    return path


def test_command_writes_both_files(clip, tmp_path):
    done = run_command(clip, "--out", tmp_path / "a.h5", "--text", tmp_path / "a.txt")
    assert done.exit_code == 0, done.output
    expected = extract_all(list(decode(clip)))
    assert done.stdout.splitlines() == [
        f"{tmp_path / name}: {len(expected)} trajectories of 20 frames"
        for name in ("a.h5", "a.txt")
    ]
    with reader.open_checked(tmp_path / "a.h5", "trajectories") as file:
        assert (file["trajectories"][...] == expected).all()
        assert file.attrs["source"] == b"a square.avi"
    text = np.loadtxt(tmp_path / "a.txt", ndmin=2)
    assert text == pytest.approx(expected, abs=1e-6) and len(expected)
    # Nothing else comes into a user's folder.
    assert {path.name for path in tmp_path.iterdir()} == {"a.h5", "a.txt"}


@pytest.mark.parametrize(
    "arguments, word",
    [
        ([], "--out FILE.h5"),
        (["--text", "{folder}/none/a.txt/b"], "cannot be written"),
    ],
    ids=["nowhere", "no folder"],
)
def test_command_answers_with_one_sentence(clip, tmp_path, arguments, word):
    (tmp_path / "none").write_text("a file where a folder is wanted")
    done = run_command(clip, *(argument.format(folder=tmp_path) for argument in arguments))
    assert (
        done.exit_code == 1
        and word in done.stderr.splitlines()[-1]
        and "Traceback" not in done.stderr
    )


def test_command_names_a_video_that_is_none(tmp_path):
    done = run_command(tmp_path / "none.avi", "--out", tmp_path / "a.h5")
    assert (
        done.exit_code == 1
        and "there is no such video" in done.stderr
        and not (tmp_path / "a.h5").exists()
    )
