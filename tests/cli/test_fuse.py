"""The command `pipeline fuse`, on published scores and on cases small enough to do by hand."""

import numpy as np
import pytest
from score_cases import LABELS, NAMES, VALUES, npz
from typer.testing import CliRunner

from pipeline.cli.app import app

# Weights, and accuracies in percent on the three splits of UCF101, as the README of the test
# material has them.
FUSED = {
    "rgb flow": ("1,1", (93.31, 94.67, 94.75)),
    "rgb flow ": ("1,1.5", (93.68, 94.83, 95.10)),
    "rgb flow idt": ("1,1.5,4", (94.21, 96.17, 95.08)),
}


def fuse(*arguments):
    return CliRunner().invoke(app, ["fuse", *map(str, arguments)])


def percents(printed: str) -> dict[str, tuple[float, float]]:
    """Accuracy and mean over classes by source, as printed."""
    return {
        line.split()[0]: tuple(map(float, line.split()[-2:])) for line in printed.splitlines()[2:]
    }


@pytest.mark.parametrize("names", FUSED)
@pytest.mark.parametrize("split", [1, 2, 3])
def test_published_fusions_by_the_command(shared, split, names):
    file = shared / f"published_scores/aligned/ucf101_split{split}.npz"
    weights, expected = FUSED[names]
    done = fuse(*(f"{file}:{name}" for name in names.split()), "--weights", weights)
    assert done.exit_code == 0, done.output
    assert percents(done.stdout)["fused"][0] == expected[split - 1]


def test_published_files_of_two_forms_fuse(shared):
    folder = shared / "published_scores"
    file = folder / "aligned/ucf101_split1.npz"
    done = fuse(
        folder / "idt_decision_values/ucf_idt_split1.mat",
        f"{file}:rgb",
        f"{file}:flow",
        "--weights",
        "4,1,1.5",
    )
    assert percents(done.stdout)["fused"] == (94.21, 94.14)
    assert percents(done.stdout)[str(folder / "idt_decision_values/ucf_idt_split1.mat")] == (
        83.61,
        83.30,
    )


def test_command_by_hand(tmp_path):
    right = np.eye(3)[LABELS]
    half = np.where(np.arange(6)[:, None] % 2, right, -right) + [[0, 0.1, 0.2]]
    one, two = (
        npz(tmp_path / "one.npz", scores=right),
        npz(tmp_path / "two.npz", scores=half, names=NAMES),
    )
    done = fuse(one, two, "--weights", "0.3,1")
    assert done.exit_code == 0 and done.stdout.startswith("6 clips, 3 classes\n")
    assert percents(done.stdout) == {str(one): (100, 100), str(two): (50, 50), "fused": (50, 50)}
    assert percents(fuse(one, two, "--weights", "1.5,1").stdout)["fused"] == (100, 100)
    by_name, equal = fuse(one, f"{two}:scores"), fuse(one, two, "--weights", "1,1")
    assert percents(by_name.stdout)["fused"] == percents(equal.stdout)["fused"]


@pytest.mark.parametrize(
    "options, word",
    [
        (["--weights", "1"], "1 for 2 files"),
        (["--weights", "1,x"], "numbers with commas"),
        (["--normalise", "l1"], "none, l2, softmax"),
    ],
)
def test_command_answers_with_one_sentence(tmp_path, options, word):
    file = npz(tmp_path / "a.npz")
    done = fuse(file, file, *options)
    assert (
        done.exit_code == 1
        and done.stdout == ""
        and word in done.stderr
        and done.stderr.count("\n") == 1
    )


def test_command_wants_the_same_clips(tmp_path):
    few = npz(tmp_path / "few.npz", scores=VALUES[:5], names=NAMES[:5], labels=LABELS[:5])
    for files in ((few, npz(tmp_path / "all.npz")), (npz(tmp_path / "all.npz"), few)):
        done = fuse(*files)
        assert (
            done.exit_code == 1
            and f"{few}: 1 of 6 clips have no scores: {NAMES[5]};" in done.stderr
        )
