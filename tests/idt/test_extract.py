"""Trajectories of whole clips, against those of the original program, and clips without any."""

import subprocess
import sys

import cv2
import numpy as np
import pytest
from idt_cases import extract_all, run_command, square, texture

from pipeline.idt.extract import COLUMNS, trajectories

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
    done = run_command(shared / clip, "--text", tmp_path / "ours.txt")
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
    rows = extract_all(square(20))
    assert len(rows) > 20 and rows.shape[1] == COLUMNS and np.isfinite(rows).all()
    assert set(rows[:, 0]) <= set(range(15, 20))
    assert ((rows[:, 1] > 4) & (rows[:, 1] < 92)).all() and (
        (rows[:, 2] > 4) & (rows[:, 2] < 60)
    ).all()
    mean_step = rows[:, 10:40].reshape(-1, 15, 2).mean(axis=(0, 1))
    # To the right, with a summed length of 1.
    assert mean_step == pytest.approx((1 / 15, 0), abs=0.01)
    assert rows[:, 7:9] == pytest.approx(rows[:, 1:3] / (96, 64), rel=1e-5)
    assert rows[:, 9] == pytest.approx((rows[:, 0] - 7.5) / 20, rel=1e-5)


def test_equal_input_gives_equal_bytes():
    images = square(20)
    first = extract_all(images)
    cv2.setRNGSeed(7)
    assert extract_all(images).tobytes() == first.tobytes()


def test_they_come_as_soon_as_they_end():
    images = iter(square(40))
    batches = trajectories(images, 40)
    assert sum(len(next(batches)) for _ in range(15)) > 0
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
    assert extract_all(images).shape == (0, COLUMNS)


def test_a_cut_and_a_flash_leave_numbers():
    images = [
        *square(20),
        *[np.zeros((64, 96), np.uint8)] * 2,
        *[np.full((64, 96), 255, np.uint8)] * 2,
        *square(20),
    ]
    rows = extract_all(images)
    assert len(rows) and np.isfinite(rows).all()
