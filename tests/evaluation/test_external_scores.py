"""Score files of other programs: the published ones, and how clips and classes find each other."""

import re

import h5py
import numpy as np
import pytest
from scipy.io import savemat
from typer.testing import CliRunner

from pipeline.cli.app import app
from pipeline.errors import PipelineError
from pipeline.evaluation import external_scores, fusion, metrics
from pipeline.evaluation.score_files import Scores
from pipeline.storage import writer

IDT = (
    83.61,
    85.59,
    84.28,
)  # percent on the three splits of UCF101 (README.md of the test material), as below
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


# Published scores


@pytest.mark.parametrize("split", [1, 2, 3])
def test_published_decision_values(shared, split):
    folder = shared / "published_scores"
    found = external_scores.read(folder / f"idt_decision_values/ucf_idt_split{split}.mat")
    assert found.classes == [] and found.values.shape[1] == 101
    assert 100 * metrics.accuracy(found.values, found.labels) == pytest.approx(
        IDT[split - 1], abs=0.005 + 1e-9
    )
    with np.load(folder / f"aligned/ucf101_split{split}.npz") as aligned:
        rows = [
            {"clip": f"{aligned['classes'][label]}/{name}", "label": int(label)}
            for name, label in zip(aligned["names"], aligned["labels"], strict=True)
        ]
        classes, expected = aligned["classes"].tolist(), aligned["idt"]
    shuffled = np.random.default_rng(split).permutation(len(rows))
    values = external_scores.of_clips(found, [rows[i] for i in shuffled], classes, "ucf.mat")
    assert values == pytest.approx(expected[shuffled], abs=1e-6)


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


# By hand: classes Bow, Jump, Run

CLASSES = ["Bow", "Jump", "Run"]
ROWS = [
    {"clip": f"{name}/v_{name}_g0{i}", "label": CLASSES.index(name)}
    for name in CLASSES
    for i in (1, 2)
]
VALUES = np.arange(18.0).reshape(6, 3) % 7
NAMES = [row["clip"].split("/")[1] for row in ROWS]
LABELS = [row["label"] for row in ROWS]


def mat(path, columns=(0, 1, 2), rows=range(6), **changed):
    """A .mat as the public ones, its classes in the order of `columns`, its clips in that of `rows`."""
    rows = list(rows)
    names = np.empty((len(rows), 1), object)
    names[:, 0] = [NAMES[row] for row in rows]
    gt = [[list(columns).index(LABELS[row]) + 1] for row in rows]
    savemat(
        path,
        {
            "scores_idt": VALUES[rows][:, columns],
            "vn_idt": names,
            "gt_idt": np.array(gt, np.uint8),
            **changed,
        },
    )
    return path


def npz(path, **changed):
    arrays = {"scores": VALUES, "names": NAMES, "labels": LABELS, "classes": CLASSES} | changed
    np.savez(path, **{key: value for key, value in arrays.items() if value is not None})
    return path


def taken(path) -> np.ndarray:
    return external_scores.of_clips(external_scores.read(path), ROWS, CLASSES, str(path))


@pytest.mark.parametrize(
    "columns, rows", [((0, 1, 2), range(6)), ((0, 2, 1), range(6)), ((2, 0, 1), (5, 3, 1, 0, 2, 4))]
)
def test_rows_and_columns_of_a_mat_are_matched(tmp_path, columns, rows):
    assert (taken(mat(tmp_path / "a.mat", columns, rows)) == VALUES).all()


def test_forms_that_are_read(tmp_path):
    assert (taken(npz(tmp_path / "a.npz")) == VALUES).all()
    swapped = npz(
        tmp_path / "b.npz",
        classes=["Run", "Bow", "Jump"],
        scores=VALUES[:, [2, 0, 1]],
        labels=[(label + 1) % 3 for label in LABELS],
    )
    assert (taken(swapped) == VALUES).all()
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["scores"], file["names"], file["labels"] = (
            VALUES,
            [f"{name}.AVI" for name in NAMES],
            LABELS,
        )
    assert (taken(tmp_path / "a.h5") == VALUES).all()
    with writer.create(tmp_path / "ours.h5", "scores", {}, "code") as file:
        file["clips"], file["labels"], file["classes"] = (
            [row["clip"] for row in ROWS],
            LABELS,
            CLASSES,
        )
        file["scores"] = VALUES
    assert (taken(tmp_path / "ours.h5") == VALUES).all()


def test_other_clips_of_a_file_are_left_out(tmp_path):
    more = npz(
        tmp_path / "a.npz",
        scores=np.r_[VALUES, [[9, 9, 9]]],
        names=[*NAMES, "other"],
        labels=[*LABELS, 0],
    )
    assert (taken(more) == VALUES).all()


def test_clips_of_one_name_in_two_folders(tmp_path):
    rows = [{"clip": f"{name}/clip", "label": label} for label, name in enumerate(CLASSES)]
    found = external_scores.read(
        npz(
            tmp_path / "a.npz",
            names=["Run/clip.avi", "Bow/clip.avi", "Jump/clip.avi"],
            labels=[2, 0, 1],
            scores=VALUES[[2, 0, 1]],
        )
    )
    assert (external_scores.of_clips(found, rows, CLASSES, "a.npz") == VALUES[:3]).all()


@pytest.mark.parametrize(
    "changed, words",
    [
        ({"names": [*NAMES[:5], NAMES[4]]}, ["twice", NAMES[4]]),
        (
            {"names": ["one", "two", *NAMES[2:]]},
            ["2 of 6 clips have no scores", ROWS[0]["clip"], ROWS[1]["clip"]],
        ),
        ({"labels": [0, 1, 1, 1, 2, 2]}, ["another class", ROWS[1]["clip"]]),
        ({"labels": [0, 1, 1, 1, 2, 2], "classes": None}, ["other classes"]),
        ({"classes": ["Bow", "Jump", "Sit"]}, ["Run, Sit"]),
        ({"classes": ["Bow", "Jump"]}, ["3 columns", "2 classes"]),
        ({"labels": [0, 0, 1, 1, 3, 3]}, ["3 columns"]),
        ({"labels": [0, 0, 1]}, ["6 names and 3 labels"]),
        ({"scores": None}, ["it holds classes, labels, names"]),
        ({"scores": VALUES[0]}, ["(3,)"]),
        ({"scores": np.where(VALUES == 3, np.nan, VALUES)}, ["not all numbers", NAMES[1]]),
        ({"names": np.array([{}] * 6, object)}, ["allow_pickle=False"]),
    ],
    ids=[
        "doubled",
        "missing",
        "label",
        "labels",
        "classes",
        "few classes",
        "many classes",
        "few labels",
        "no scores",
        "no matrix",
        "no number",
        "pickle",
    ],
)
def test_what_does_not_fit_is_refused(tmp_path, changed, words):
    with pytest.raises(PipelineError) as caught:
        taken(npz(tmp_path / "a.npz", **changed))
    message = str(caught.value)
    assert message.startswith(f"{tmp_path / 'a.npz'}: ") and "\n" not in message
    assert all(word in message for word in words), message


def test_classes_without_clips_and_names_are_refused(tmp_path):
    found = external_scores.read(mat(tmp_path / "a.mat", rows=range(4)))
    with pytest.raises(PipelineError, match="without clips of Run nothing says"):
        external_scores.of_clips(found, ROWS[:4], CLASSES, "a.mat")


@pytest.mark.parametrize(
    "name, content, word",
    [
        ("none.mat", None, "there is no such file"),
        ("text.mat", b"no scores", "not a .mat file"),
        ("text.npz", b"no scores", "not a .npz file"),
        ("text.h5", b"no scores", "not an HDF5 file"),
        ("cut.npz", b"PK\x03\x04 cut short", "not a .npz file"),
        ("scores.csv", b"1,2", ".npz"),
    ],
)
def test_files_that_are_none_are_refused(tmp_path, name, content, word):
    if content:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(PipelineError, match=re.escape(word)) as caught:
        external_scores.read(tmp_path / name)
    assert str(tmp_path / name) in str(caught.value) and "\n" not in str(caught.value)


# The command


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
    "how, expected",
    [
        ("none", [[3, 4], [0, 0]]),
        ("l2", [[0.6, 0.8], [0, 0]]),
        ("softmax", [[1 / (1 + np.e), np.e / (1 + np.e)], [0.5, 0.5]]),
    ],
)
def test_normalisation_by_hand(how, expected):
    assert fusion.normalise(np.array([[3.0, 4.0], [0.0, 0.0]]), how) == pytest.approx(
        np.array(expected)
    )


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


def test_scores_without_class_names_fuse_too():
    plain = Scores(NAMES, np.array(LABELS), [], VALUES)
    assert (external_scores.matched(plain, plain, "a.mat").values == VALUES).all()
