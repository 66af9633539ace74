"""The choice of the trajectories of a codebook: random, repeatable, and refused for too few."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pipeline.datasets import index
from pipeline.errors import PipelineError
from pipeline.idt.codebook import (
    choose_clips,
    choose_trajectories,
    read_descriptor,
    require_enough,
)
from pipeline.idt.fisher import DESCRIPTORS
from pipeline.storage import writer


def test_masks_are_those_of_one_permutation_over_all_clips():
    counts = [30, 0, 50, 20]
    masks = choose_trajectories(counts, 60, 1)
    assert [len(mask) for mask in masks] == counts
    expected = np.sort(np.random.default_rng(1).permutation(100)[:60])
    assert (np.flatnonzero(np.concatenate(masks)) == expected).all()


def test_choice_depends_on_the_seed():
    first, again, other = (
        np.concatenate(choose_trajectories([60, 60], 60, seed)) for seed in (1, 1, 2)
    )
    assert (first == again).all() and (first != other).any()


def test_all_are_chosen_where_there_are_no_more():
    assert all(mask.all() for mask in choose_trajectories([40, 20], 60, 1))


@pytest.mark.parametrize("counts, components, least", [([20, 33], 4, 54), ([60], 61, 61)])
def test_too_few_are_refused(counts, components, least):
    message = (
        f"the {len(counts)} training clips of split1 gave {sum(counts)} trajectories.* "
        f"of {components} Gaussians wants {least}"
    )
    with pytest.raises(PipelineError, match=message):
        require_enough(counts, components, "split1")
    require_enough([least], components, "split1")


def taken(clips: list[str], counts: list[int], limit: int, seed: int = 1) -> dict[str, list[int]]:
    """The chosen trajectories of the clips that have any."""
    masks = choose_clips(clips, counts, limit, seed)
    assert [len(mask) for mask in masks] == counts
    return {
        clip: np.flatnonzero(mask).tolist()
        for clip, mask in zip(clips, masks, strict=True)
        if mask.any()
    }


def test_all_trajectories_of_some_clips_are_chosen():
    clips = [f"Run/v_Run_g{number:02}_c01" for number in range(40)]
    found = taken(clips, [10] * 40, 65)
    assert sorted(map(len, found.values())) == [5, 10, 10, 10, 10, 10, 10]
    # Clips in the order of their hashes, of which the first six give all and the next one half.
    order = sorted(clips, key=lambda clip: hashlib.sha256(f"1 {clip}".encode()).hexdigest())
    assert set(found) == set(order[:7]) and len(found[order[6]]) == 5
    assert set(taken(clips, [10] * 40, 65, seed=2)) != set(found)
    assert sum(map(len, taken(clips, [10] * 40, 1000).values())) == 400


def test_a_clip_that_is_not_drawn_may_change_come_and_go():
    clips, counts = [f"Run/{number}" for number in range(40)], [10] * 40
    found = taken(clips, counts, 65)
    idle = next(number for number, clip in enumerate(clips) if clip not in found)
    assert taken(clips, counts[:idle] + [3] + counts[idle + 1 :], 65) == found
    assert taken(clips[:idle] + clips[idle + 1 :], counts[1:], 65) == found
    assert taken(clips[::-1], counts, 65) == found
    # One that is drawn counts.
    drawn = clips.index(next(iter(found)))
    assert taken(clips, counts[:drawn] + [3] + counts[drawn + 1 :], 65) != found


def test_most_clips_of_ucf101_leave_the_codebook_as_it_is():
    # 100 trajectories of each of the clips of a list as long as UCF101's first.
    clips = [f"Class{number % 101}/clip{number}" for number in range(9537)]
    assert len(taken(clips, [100] * 9537, 256_000)) == 2560


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
    settings = {
        "seed": 1,
        "idt": {"samples": 100, "draw": "clips", "components": 4},
        "compute": {"threads": 1},
    }
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
