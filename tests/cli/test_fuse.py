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
        (["--weights", ""], "numbers with commas"),
        (["--weights", "1,,2"], "numbers with commas"),
        (["--weights", "1,2,3"], "3 for 2 files"),
        (["--weights", "nan,1"], "finite numbers of 0 or more"),
        (["--weights", "1,inf"], "finite numbers of 0 or more"),
        (["--weights", "1,1e999"], "finite numbers of 0 or more"),
        (["--weights", "1,-1"], "finite numbers of 0 or more"),
        (["--weights", "-1,-2"], "finite numbers of 0 or more"),
        (["--weights", "0,0"], "at least one above 0"),
        (["--weights", "1e300,1"], "scale all of them"),
        (["--weights", "1e-320,0"], "scale all of them"),
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


def test_a_weight_of_zero_leaves_a_source_out(tmp_path):
    one, two = npz(tmp_path / "one.npz"), npz(tmp_path / "two.npz", scores=np.eye(3)[LABELS])
    found = percents(fuse(one, two, "--weights", "0,0.5").stdout)
    assert found["fused"] == found[str(two)] == (100, 100)


def test_the_largest_scores_and_weights_do_not_overflow(tmp_path):
    right = np.where(np.eye(3)[LABELS] == 1, 3.4e38, -3.4e38)
    one, two = npz(tmp_path / "one.npz", scores=right), npz(tmp_path / "two.npz", scores=right)
    for how in ("none", "l2", "softmax", "standardised"):
        done = fuse(one, two, "--weights", "1e100,1e100", "--normalise", how)
        assert percents(done.stdout)["fused"] == (100, 100)


def test_differences_are_counted_and_a_few_of_them_named(tmp_path):
    names = [f"clip{number:03}" for number in range(300)]
    values, labels = np.tile(VALUES, (50, 1)), np.tile(LABELS, 50)
    one = npz(tmp_path / "one.npz", scores=values, names=names, labels=labels)
    few = [name if row < 100 else f"{name}x" for row, name in enumerate(names)]
    two = npz(tmp_path / "two.npz", scores=values, names=few, labels=labels)
    done = fuse(one, two)
    assert done.exit_code == 1 and done.stderr.count("\n") == 1
    assert (
        "200 of 300 clips have no scores: clip100, clip101, clip102, clip103, clip104 and 195 more;"
        in done.stderr
    )


def test_command_wants_the_same_clips(tmp_path):
    few = npz(tmp_path / "few.npz", scores=VALUES[:5], names=NAMES[:5], labels=LABELS[:5])
    for files in ((few, npz(tmp_path / "all.npz")), (npz(tmp_path / "all.npz"), few)):
        done = fuse(*files)
        assert (
            done.exit_code == 1
            and f"{few}: 1 of 6 clips have no scores: {NAMES[5]};" in done.stderr
        )
