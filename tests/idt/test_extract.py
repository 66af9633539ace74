"""Trajectories of whole clips: against those of the original program, and of clips that have none."""

import subprocess
import sys

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from pipeline.cli.app import app
from pipeline.idt.extract import COLUMNS, trajectories
from pipeline.storage import reader
from pipeline.video.decode import decode
from pipeline.video.encode import encode

RNG = np.random.default_rng(4)


def texture(height: int, width: int) -> np.ndarray:
    noise = cv2.GaussianBlur(RNG.standard_normal((height, width)), (0, 0), 1.5)
    return np.clip(128 + 40 * noise / noise.std(), 0, 255).astype(np.uint8)


def square(frames: int, step: float = 2.0) -> list[np.ndarray]:
    """A textured square of 40 pixels that goes right over a still ground of 64 x 96."""
    ground, patch = texture(64, 96), texture(40, 40)
    images = []
    for number in range(frames):
        image = ground.copy()
        left = 8 + int(step * number) % 40
        image[12:52, left : left + 40] = patch
        images.append(image)
    return images


def rows_of(images: list[np.ndarray]) -> np.ndarray:
    return np.concatenate(
        [np.empty((0, COLUMNS), np.float32), *trajectories(iter(images), len(images))]
    )


def idt(*arguments):
    return CliRunner().invoke(app, ["idt", *map(str, arguments)])


# The original program


@pytest.mark.parametrize(
    "clip, reference",
    [
        ("idt_reference/person01_boxing_d1_uncomp.avi", "person01_boxing_d1.gz"),
        ("ucf101_6class/videos/Archery/v_Archery_g01_c01.avi", "v_Archery_g01_c01.npz"),
    ],
    ids=["static camera", "moving camera"],
)
def test_trajectories_are_those_of_the_original_program(shared, tmp_path, clip, reference):
    done = idt(shared / clip, "--text", tmp_path / "ours.txt")
    assert done.exit_code == 0, done.output
    check = shared.parent / "checks" / "idt_reference.py"
    if not check.is_file():
        pytest.skip(f"no {check}")
    compared = subprocess.run(
        [
            sys.executable,
            str(check),
            str(shared / "idt_reference" / reference),
            str(tmp_path / "ours.txt"),
        ],
        capture_output=True,
        text=True,
    )
    assert compared.returncode == 0, compared.stdout + compared.stderr


# Made clips


def test_what_moves_has_trajectories_and_the_ground_has_none():
    rows = rows_of(square(20))
    assert len(rows) > 20 and rows.shape[1] == COLUMNS and np.isfinite(rows).all()
    assert set(rows[:, 0]) <= set(range(15, 20))
    assert ((rows[:, 1] > 4) & (rows[:, 1] < 92)).all() and (
        (rows[:, 2] > 4) & (rows[:, 2] < 60)
    ).all()
    mean_step = rows[:, 10:40].reshape(-1, 15, 2).mean(axis=(0, 1))
    assert mean_step == pytest.approx(
        (1 / 15, 0), abs=0.01
    )  # to the right, of a summed length of 1
    assert rows[:, 7:9] == pytest.approx(rows[:, 1:3] / (96, 64), rel=1e-5)
    assert rows[:, 9] == pytest.approx((rows[:, 0] - 7.5) / 20, rel=1e-5)


def test_equal_input_gives_equal_bytes():
    images = square(20)
    first = rows_of(images)
    cv2.setRNGSeed(7)
    assert rows_of(images).tobytes() == first.tobytes()


def test_they_come_as_soon_as_they_end():
    images = iter(square(40))
    found = trajectories(images, 40)
    assert sum(len(next(found)) for _ in range(15)) > 0
    assert len(list(images)) == 40 - 16


@pytest.mark.parametrize(
    "images",
    [
        [],
        square(1),
        square(15),
        [texture(64, 96)] * 20,
        [np.full((64, 96), 50, np.uint8)] * 20,
        [image[:31] for image in square(20)],
    ],
    ids=["no frame", "one frame", "14 steps", "static", "flat", "smaller than a patch"],
)
def test_clips_without_trajectories(images):
    assert rows_of(images).shape == (0, COLUMNS)


def test_a_cut_and_a_flash_leave_numbers():
    images = [
        *square(20),
        *[np.zeros((64, 96), np.uint8)] * 2,
        *[np.full((64, 96), 255, np.uint8)] * 2,
        *square(20),
    ]
    rows = rows_of(images)
    assert len(rows) and np.isfinite(rows).all()


# The command


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    path = tmp_path_factory.mktemp("clip") / "a square.avi"
    encode(path, np.stack([np.stack([image] * 3, axis=-1) for image in square(20)]), 25)
    return path


def test_command_writes_both_files(clip, tmp_path):
    done = idt(clip, "--out", tmp_path / "a.h5", "--text", tmp_path / "a.txt")
    assert done.exit_code == 0, done.output
    expected = rows_of(list(decode(clip)))
    assert done.stdout.splitlines() == [
        f"{tmp_path / name}: {len(expected)} trajectories of 20 frames"
        for name in ("a.h5", "a.txt")
    ]
    with reader.open_checked(tmp_path / "a.h5", "trajectories") as file:
        assert (file["trajectories"][...] == expected).all() and file.attrs[
            "source"
        ] == "a square.avi"
    text = np.loadtxt(tmp_path / "a.txt", ndmin=2)
    assert text == pytest.approx(expected, abs=1e-6) and len(expected)


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
    done = idt(clip, *(argument.format(folder=tmp_path) for argument in arguments))
    assert (
        done.exit_code == 1
        and word in done.stderr.splitlines()[-1]
        and "Traceback" not in done.stderr
    )


def test_command_names_a_video_that_is_none(tmp_path):
    done = idt(tmp_path / "none.avi", "--out", tmp_path / "a.h5")
    assert (
        done.exit_code == 1
        and "there is no such video" in done.stderr
        and not (tmp_path / "a.h5").exists()
    )
