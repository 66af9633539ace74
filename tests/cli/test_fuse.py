"""The command `pipeline fuse`, on published scores and on cases small enough to do by hand."""

import csv
import json

import numpy as np
import pytest
from score_cases import CLASSES, LABELS, NAMES, VALUES, npz
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
    lines = printed.partition("\n\n")[0].splitlines()[2:]
    cells = [line.split() for line in lines]
    return {row[0]: (float(row[-3]), float(row[-1])) for row in cells}


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
    assert percents(done.stdout)["idt_decision_valu..cf_idt_split1.mat"] == (83.61, 83.30)
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_command_by_hand(tmp_path):
    right = np.eye(3)[LABELS]
    half = np.where(np.arange(6)[:, None] % 2, right, -right) + [[0, 0.1, 0.2]]
    one, two = (
        npz(tmp_path / "one.npz", scores=right),
        npz(tmp_path / "two.npz", scores=half, names=NAMES),
    )
    done = fuse(one, two, "--weights", "0.3,1")
    assert done.exit_code == 0 and done.stdout.startswith("6 clips, 3 classes\n")
    assert percents(done.stdout) == {"one.npz": (100, 100), "two.npz": (50, 50), "fused": (50, 50)}
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
    assert found["fused"] == found["two.npz"] == (100, 100)


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


def test_doubled_clips_are_told_with_their_file(tmp_path):
    """Also where the other files are read first, and where folders of clips are left out."""
    good, bad = npz(tmp_path / "good.npz", classes=None), tmp_path / "bad.npz"
    npz(bad, names=[*NAMES[:5], NAMES[0]])
    nested = npz(tmp_path / "nested.npz", names=[f"{part}/x" for part in "abcdef"])
    flat = npz(tmp_path / "flat.npz", names=["x", *NAMES[1:]])
    for files, wrong in (([good, bad], bad), ([bad, good], bad), ([nested, flat], nested)):
        done = fuse(*files)
        assert done.exit_code == 1 and done.stderr.count("\n") == 1
        assert done.stderr.startswith(f"error: {wrong}: clips stand twice: ")


def test_what_holds_no_scores_is_told(tmp_path):
    (tmp_path / "acc.json").write_text('{"accuracy": {}, "headline": "asyn"}')
    (tmp_path / "scores.h5").mkdir()
    for name, what in (("acc.json", "a result, which"), ("scores.h5", "a folder;")):
        done = fuse(npz(tmp_path / "a.npz"), tmp_path / name)
        assert done.exit_code == 1 and done.stderr.count("\n") == 1
        assert done.stderr.startswith(f"error: {tmp_path / name}: this is {what}")


def test_one_missing_file_of_five_is_named(tmp_path):
    files = [npz(tmp_path / f"{name}.npz") for name in "abcd"]
    done = fuse(*files, tmp_path / "e.npz")
    assert done.exit_code == 1 and done.stderr.count("\n") == 1
    assert done.stderr.startswith(f"error: {tmp_path / 'e.npz'}: there is no such file of scores;")


@pytest.fixture
def right_and_half(tmp_path):
    """Files that get all six clips right, and every second one."""
    right = np.eye(3)[LABELS]
    half = np.where(np.arange(6)[:, None] % 2, right, -right) + [[0, 0.1, 0.2]]
    return npz(tmp_path / "one.npz", scores=right), npz(tmp_path / "two.npz", scores=half)


@pytest.mark.parametrize("names", [("1", "2"), ("one.npz", "two.npz"), ("fused", "2")])
def test_two_columns_are_compared(right_and_half, names):
    """Three of six clips by one alone: McNemar's p is 2 / 2**3."""
    done = fuse(*right_and_half, "--weights", "1.5,1", "--compare", *names)
    assert done.exit_code == 0, done.stderr
    head, gain, test = done.stdout.splitlines()[-3:]
    assert head == f"{'fused' if names[0] == 'fused' else 'one.npz'} against two.npz"
    assert gain.startswith("  +50.00 points, 95% bootstrap interval +")
    assert test == "  right alone: 3 and 0 clips; McNemar's exact test: p = 0.25"


def test_columns_are_known_by_array_and_folder(tmp_path):
    (tmp_path / "motion").mkdir()
    one = npz(tmp_path / "one.npz", rgb=VALUES)
    two = npz(tmp_path / "motion" / "scores.npz")
    done = fuse(f"{one}:rgb", two, "--compare", "rgb", "motion")
    assert done.exit_code == 0 and "p = 1" in done.stdout
    done = fuse(f"{one}:rgb", two, "--compare", "rgb", "motions")
    assert (
        done.exit_code == 1
        and "--compare motions: no column; name two of" in done.stderr
        and "; did you mean 'motion'?" in done.stderr
    )


def test_the_same_file_twice_has_two_columns(tmp_path):
    file = npz(tmp_path / "a.npz")
    done = fuse(file, file, "--compare", "a.npz", "a.npz (2)")
    assert done.exit_code == 0 and "a.npz against a.npz (2)" in done.stdout


def test_all_is_written_as_json(right_and_half, tmp_path):
    out = tmp_path / "out.json"
    done = fuse(*right_and_half, "--weights", "1.5,1", "--compare", "1", "2", "--out", out)
    assert done.exit_code == 0 and done.stdout.endswith(f"6 clips written to {out}\n")
    found = json.loads(out.read_text())
    assert (found["weights"], found["normalise"], found["clips"]) == ([1.5, 1], "none", 6)
    # Wilson's interval of all of 6 clips is from 6 / (6 + 1.96 ** 2) on.
    assert found["accuracy"]["one.npz"]["accuracy"] == 1
    assert found["accuracy"]["one.npz"]["interval"] == pytest.approx([6 / (6 + 1.96**2), 1])
    assert found["compared"]["right_alone"] == [3, 0] and found["compared"]["p"] == 0.25
    assert [row["predicted"]["fused"] for row in found["predictions"]] == [
        CLASSES[label] for label in LABELS
    ]
    # A half of clip 0: 1.5 - 1 of 2.5, and 0.1 and 0.2 of 2.5 for the other two classes.
    shares = np.exp(np.array([0.5, 0.1, 0.2]) / 2.5)
    assert found["predictions"][0]["probability"] == pytest.approx(
        shares[0] / shares.sum(), abs=1e-6
    )


def test_a_table_has_a_row_for_each_clip(right_and_half, tmp_path):
    out = tmp_path / "out.csv"
    assert fuse(*right_and_half, "--weights", "1.5,1", "--out", out).exit_code == 0
    with open(out, newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["clip"] for row in rows] == NAMES
    assert [row["true"] for row in rows] == [CLASSES[label] for label in LABELS]
    assert [row["predicted by two.npz"] == row["true"] for row in rows] == [False, True] * 3
    assert all(row["predicted by fused"] == row["true"] for row in rows)
    assert {(row["normalise"], row["weights"]) for row in rows} == {("none", "1.5,1")}
    for row in rows:
        shares = [float(row[f"probability of {name}"]) for name in CLASSES]
        assert sum(shares) == pytest.approx(1, abs=1e-5)
        assert CLASSES[int(np.argmax(shares))] == row["true"]


def test_probabilities_stay_probabilities(tmp_path):
    """The mean of two sources' probabilities, by their weights."""
    shares = np.array([[0.7, 0.2, 0.1]] * 6), np.array([[0.1, 0.8, 0.1]] * 6)
    files = [npz(tmp_path / f"{n}.npz", scores=values) for n, values in enumerate(shares)]
    fuse(*files, "--weights", "3,1", "--out", tmp_path / "out.csv")
    with open(tmp_path / "out.csv", newline="") as file:
        row = next(csv.DictReader(file))
    found = [float(row[f"probability of {name}"]) for name in CLASSES]
    assert found == pytest.approx([0.55, 0.35, 0.1], abs=1e-6)


@pytest.mark.parametrize(
    "name, word", [("out.xlsx", "JSON or CSV"), ("", "JSON or CSV"), ("a.json/b.csv", "cannot be")]
)
def test_what_cannot_be_written_is_one_sentence(tmp_path, name, word):
    file = npz(tmp_path / "a.npz")
    (tmp_path / "a.json").write_text("")
    done = fuse(file, "--out", tmp_path / name)
    assert done.exit_code == 1 and word in done.stderr and done.stderr.count("\n") == 1
