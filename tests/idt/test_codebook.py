"""The choice of the trajectories of a codebook: random, repeatable, and refused for too few."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pipeline.datasets import index
from pipeline.errors import PipelineError
from pipeline.idt.codebook import choose_trajectories, read_descriptor
from pipeline.idt.fisher import DESCRIPTORS
from pipeline.storage import writer


def test_masks_are_those_of_one_permutation_over_all_clips():
    counts = [30, 0, 50, 20]
    masks = choose_trajectories(counts, 60, 4, 1, "split1")
    assert [len(mask) for mask in masks] == counts
    expected = np.sort(np.random.default_rng(1).permutation(100)[:60])
    assert (np.flatnonzero(np.concatenate(masks)) == expected).all()


def test_choice_depends_on_the_seed():
    first, again, other = (
        np.concatenate(choose_trajectories([60, 60], 60, 4, seed, "split1")) for seed in (1, 1, 2)
    )
    assert (first == again).all() and (first != other).any()


def test_all_are_chosen_where_there_are_no_more():
    assert all(mask.all() for mask in choose_trajectories([40, 20], 60, 4, 1, "split1"))


@pytest.mark.parametrize("counts, components, least", [([20, 33], 4, 54), ([60], 61, 61)])
def test_too_few_are_refused(counts, components, least):
    message = (
        f"the {len(counts)} training clips of split1 gave {sum(counts)} trajectories.* "
        f"of {components} Gaussians wants {least}"
    )
    with pytest.raises(PipelineError, match=message):
        choose_trajectories(counts, 100, components, 1, "split1")
    assert choose_trajectories([least], 100, components, 1, "split1")[0].all()


def test_descriptors_of_the_chosen_trajectories_are_read_in_order():
    samples = [np.arange(3 * 436).reshape(3, 436), np.arange(2 * 436).reshape(2, 436) + 5000]
    masks = [np.array([True, False, True]), np.array([False, True])]
    values = read_descriptor(samples, masks, DESCRIPTORS["hog"])
    starts = [40, 2 * 436 + 40, 5000 + 436 + 40]
    assert values.shape == (3, 96) and values[:, 0].tolist() == starts


def test_a_codebook_of_clips_that_do_not_move_is_refused_in_a_sentence(tmp_path):
    row = {
        "clip": "Run/still",
        "class": "Run",
        "label": 0,
        "group": "Run/g",
        "shard": "000",
        "path": "still.avi",
        "sha256": "ab",
        "frames": 20,
        "width": 64,
        "height": 48,
    }
    index.write(tmp_path / "train.csv", [row], index.COLUMNS)
    nothing = np.empty((0, 436), np.float32)
    writer.write_shard(
        tmp_path / "000.h5", "samples", [row], lambda row: iter([nothing]), {}, "code", "by hand"
    )
    settings = {"seed": 1, "idt": {"samples": 100, "components": 4}, "compute": {"threads": 1}}
    program = Path(__file__).parents[2] / "workflow/scripts/idt_codebook.py"
    done = subprocess.run(
        [
            *(sys.executable, program),
            *("--settings", json.dumps(settings)),
            *("--split", "split1"),
            *("--clips", tmp_path / "train.csv"),
            *("--samples", tmp_path),
            *("--out", tmp_path / "codebook.h5"),
            *("--record", tmp_path / "codebook.json"),
        ],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1 and not (tmp_path / "codebook.h5").exists()
    (line,) = done.stderr.splitlines()
    assert (
        line.startswith("error: the 1 training clips of split1 gave 0 trajectories")
        and "idt.enabled" in line
    )
