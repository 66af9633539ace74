"""Score files of other programs: the published ones, and the forms that are read."""

import contextlib
import io
import re
import zipfile

import h5py
import numpy as np
import pytest
from scipy import sparse
from score_cases import CLASSES, LABELS, NAMES, ROWS, VALUES, mat, npz

from pipeline.errors import PipelineError
from pipeline.evaluation import external_scores, metrics
from pipeline.evaluation.matching import match_rows
from pipeline.evaluation.score_files import Scores
from pipeline.jobs import limits
from pipeline.storage import writer

# Accuracies in percent on the three splits of UCF101, as the README of the test material has them.
IDT = (83.61, 85.59, 84.28)


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
    values = match_rows(found, [rows[i] for i in shuffled], classes, "ucf.mat")
    assert values == pytest.approx(expected[shuffled], abs=1e-6)


def taken(path) -> np.ndarray:
    return match_rows(external_scores.read(path), ROWS, CLASSES, str(path))


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


# What is changed in a file, and words of the complaint.
REFUSED = {
    "doubled": ({"names": [*NAMES[:5], NAMES[4]]}, ["twice", NAMES[4]]),
    "missing": (
        {"names": ["one", "two", *NAMES[2:]]},
        ["2 of 6 clips have no scores", ROWS[0]["clip"], ROWS[1]["clip"]],
    ),
    "label": ({"labels": [0, 1, 1, 1, 2, 2]}, ["another class", ROWS[1]["clip"]]),
    "labels": ({"labels": [0, 1, 1, 1, 2, 2], "classes": None}, ["other classes"]),
    "classes": ({"classes": ["Bow", "Jump", "Sit"]}, ["Run, Sit"]),
    "few classes": ({"classes": ["Bow", "Jump"]}, ["3 columns", "2 classes"]),
    "doubled classes": ({"classes": ["Bow", "Jump", "Bow"]}, ["classes stand twice: Bow"]),
    "many classes": ({"labels": [0, 0, 1, 1, 3, 3]}, ["3 columns"]),
    "few labels": ({"labels": [0, 0, 1]}, ["6 names and 3 labels"]),
    "labels from 1": ({"labels": [1, 1, 2, 2, 3, 3]}, ["from 1 to 3", "subtract 1"]),
    "negative label": ({"labels": [0, 0, 1, 1, -1, 2]}, [f"'{NAMES[4]}' is -1", "from 0"]),
    "large label": ({"labels": np.array([0, 0, 1, 1, 2, 2**63], np.uint64)}, ["whole numbers"]),
    "half a label": ({"labels": [0, 0, 1, 1, 2, 1.5]}, ["labels are no whole numbers"]),
    "no label": ({"labels": [0, 0, 1, 1, 2, np.nan]}, ["labels are no whole numbers"]),
    "label of truth": ({"labels": np.array(LABELS) > 0}, ["labels are of type bool"]),
    "label of text": ({"labels": list("001122")}, ["labels are of type text"]),
    "no scores": ({"scores": None}, ["it holds classes, labels, names"]),
    "one row": ({"scores": VALUES[0]}, ["(3,)"]),
    "instants": ({"scores": VALUES[:, None]}, ["(6, 1, 3)", "a row a clip"]),
    "number": ({"scores": np.float64(3)}, ["()", "a row a clip"]),
    "transposed": ({"scores": VALUES.T}, ["(3, 6)", "transposed"]),
    "other clips": ({"scores": VALUES[:4]}, ["(4, 3) do not fit 6 names"]),
    "empty": ({"scores": np.zeros((0, 3)), "names": [], "labels": []}, ["0 clips and 3 classes"]),
    "no columns": ({"scores": np.zeros((6, 0)), "classes": None}, ["6 clips and 0 classes"]),
    "NaN": ({"scores": np.where(VALUES == 3, np.nan, VALUES)}, ["not all numbers", NAMES[1]]),
    "half floats": (
        {"scores": np.where(VALUES == 3, np.inf, VALUES).astype(np.float16)},
        ["not all numbers", NAMES[1]],
    ),
    "beyond float32": ({"scores": VALUES * 1e39}, ["up to 6e+39", "scale them down"]),
    "complex": ({"scores": VALUES + 1j}, ["type complex128", "real numbers"]),
    "truth": ({"scores": VALUES > 1}, ["type bool", "real numbers"]),
    "text": ({"scores": VALUES.astype(str)}, ["type text", "real numbers"]),
    "dates": ({"scores": VALUES.astype("M8[s]")}, ["datetime64[s]", "real numbers"]),
    "records": (
        {"scores": np.zeros((6, 3), [("a", float), ("b", float)])},
        ["type record", "real numbers"],
    ),
    "numbers for names": ({"names": range(6)}, ["names of clips are wanted as text", "number 1"]),
    "empty name": ({"names": [*NAMES[:5], ""]}, ["names of clips are wanted", "number 6"]),
    "control characters": ({"names": [*NAMES[:5], "\x1b[2J"]}, ["names of clips are wanted"]),
    "bytes that are no text": (
        {"names": np.array([b"\xff\xfe", *(name.encode() for name in NAMES[1:])])},
        ["UTF-8", "number 1"],
    ),
    "pickle": ({"names": np.array([{}] * 6, object)}, ["allow_pickle=False"]),
}


@pytest.mark.parametrize("changed, words", REFUSED.values(), ids=REFUSED)
def test_what_does_not_fit_is_refused(tmp_path, changed, words):
    path = npz(tmp_path / "a.npz", **changed)
    with pytest.raises(PipelineError) as caught:
        # The words are the same from this process and from one with limits.
        match_rows(
            Scores(*external_scores.read_here(str(path), None).values()), ROWS, CLASSES, path
        )
    message = str(caught.value)
    assert message.startswith(f"{path}: ") and "\n" not in message
    assert all(word in message for word in words), message


@pytest.mark.parametrize(
    "changed",
    [
        {"scores": VALUES.astype(np.float16)},
        {"scores": VALUES.astype(np.uint8)},
        {"scores": np.asfortranarray(VALUES)},
        {"scores": VALUES.astype(">f8")},
        {"labels": np.array(LABELS, float)},
        {"labels": np.array(LABELS, np.uint8)[:, None]},
        {"names": np.array([name.encode() for name in NAMES])[:, None]},
        {"names": [f"{name}.avi  " for name in NAMES]},
        {"names": [f"D:\\videos\\{row['clip']}.AVI" for row in ROWS]},
    ],
)
def test_equal_numbers_and_names_in_other_dress_are_read(tmp_path, changed):
    changed = {
        key: changed.get(key, value) for key, value in {"classes": CLASSES}.items()
    } | changed
    assert (taken(npz(tmp_path / "a.npz", **changed)) == VALUES).all()


def test_accents_of_one_and_of_two_characters_are_the_same(tmp_path):
    one, two = "caf\u00e9", "cafe\u0301"
    rows = [{"clip": f"{name}{one}", "label": label} for label, name in enumerate("abc")]
    path = npz(
        tmp_path / "a.npz",
        scores=VALUES[:3],
        names=[f"{name}{two}.mp4" for name in "abc"],
        labels=[0, 1, 2],
    )
    assert (match_rows(external_scores.read(path), rows, CLASSES, path) == VALUES[:3]).all()


def test_endings_in_capitals_are_read(tmp_path):
    mat(tmp_path / "a.mat").rename(tmp_path / "A.MAT")
    npz(tmp_path / "b.npz").rename(tmp_path / "B.NPZ")
    assert (taken(tmp_path / "A.MAT") == VALUES).all()
    assert (taken(tmp_path / "B.NPZ") == VALUES).all()


# Archives


def zipped(path, members: dict) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members.items():
            file.writestr(name, content)


def npy(array: np.ndarray, shape: tuple | None = None) -> bytes:
    """The content of an .npy file, whose head may claim another shape."""
    stream = io.BytesIO()
    head = np.lib.format.header_data_from_array_1_0(array)
    np.lib.format.write_array_header_1_0(stream, head | {"shape": shape or array.shape})
    return stream.getvalue() + array.tobytes()


def archive(path, **changed) -> str:
    """An .npz of the clips in which the bytes of some members are changed."""
    arrays = {"scores": VALUES, "names": np.array(NAMES), "labels": np.array(LABELS)}
    members = {f"{key}.npy": npy(value) for key, value in arrays.items()}
    zipped(path, members | {name.replace("_", "."): content for name, content in changed.items()})
    return str(path)


def test_archives_of_any_other_members_are_read(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "a.npz"
    archive(path)
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as file:
        # A bomb, an escape and a pickle that nobody asks for.
        file.writestr("bomb.npy", npy(np.zeros(8)) + bytes(50_000_000))
        file.writestr("../../escaped.npy", npy(np.zeros(8)))
        file.writestr("pickle.npy", b"\x80\x04cos\nsystem\n")
    assert (taken(path) == VALUES).all()
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["a.npz"]


@pytest.mark.parametrize(
    "content, words",
    [
        (npy(VALUES, (2**40, 3)), "memory"),
        (npy(VALUES, (2**62, 2**62)), "not a .npz file"),
        (npy(VALUES, (-6, 3)), "not a .npz file"),
        (npy(VALUES, (7, 3)), "not a .npz file"),
        (npy(VALUES)[:90], "not a .npz file"),
        (b"", "is not an array"),
        (b"\x93NUMPY\x01\x00v\x00{'descr': __import__('os').system('false')}", "not a .npz file"),
        (b"no array", "is not an array"),
    ],
    ids=["giant", "beyond", "negative", "more", "cut", "nothing", "code", "no array"],
)
def test_archives_with_other_shapes_than_data_are_refused(tmp_path, content, words):
    path = archive(tmp_path / "a.npz", scores_npy=content)
    with pytest.raises(PipelineError, match=words) as caught:
        external_scores.read(path)
    assert str(caught.value).startswith(f"{path}: ") and "\n" not in str(caught.value)


def test_bombs_are_refused_before_they_are_unpacked(tmp_path):
    path = tmp_path / "a.npz"
    archive(path)
    content = bytearray(path.read_bytes())
    # The size of the unpacked file in the archive's directory.
    place = content.rindex(b"PK\x01\x02", 0, content.rindex(b"scores.npy")) + 24
    content[place : place + 4] = (3 << 30).to_bytes(4, "little")
    path.write_bytes(content)
    with pytest.raises(PipelineError, match=r"'scores' of 3.2 GB .* larger than 2.1 GB"):
        external_scores.read(path)


# HDF5


def hdf5(path, **changed) -> h5py.File:
    """An open HDF5 file of the clips without what is changed to None."""
    file = h5py.File(path, "w")
    arrays = {"scores": VALUES, "names": NAMES, "labels": LABELS} | changed
    for key, value in arrays.items():
        if value is not None:
            file[key] = value
    return file


def external_link(file, other):
    file["scores"] = h5py.ExternalLink(str(other), "/scores")


def soft_link(file, other):
    file["scores"] = h5py.SoftLink("/elsewhere")


def circle(file, other):
    file["scores"], file["back"] = h5py.SoftLink("/back"), h5py.SoftLink("/scores")


def external_storage(file, other):
    file.create_dataset("scores", (6, 3), "f8", external=[(str(other), 0, h5py.h5f.UNLIMITED)])


def virtual(file, other):
    layout = h5py.VirtualLayout((6, 3), "f8")
    layout[:] = h5py.VirtualSource(str(other), "scores", (6, 3))
    file.create_virtual_dataset("scores", layout)


def giant(file, other):
    file.create_dataset("scores", (2**20, 2**20), "f8", chunks=(1, 1024), fillvalue=1.0)


def references(file, other):
    file.create_dataset("scores", (6, 3), h5py.ref_dtype)


def regions(file, other):
    file.create_dataset("scores", (6, 3), h5py.regionref_dtype)


def records(file, other):
    file.create_dataset("scores", (6, 3), [("a", "f8"), ("b", "f8")])


def varying(file, other):
    file.create_dataset("scores", (6,), h5py.vlen_dtype(np.float64))


def group(file, other):
    file.create_group("scores/inner")


def committed(file, other):
    file["scores"] = np.dtype("f8")


def missing_filter(file, other):
    properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    properties.set_chunk((6, 3))
    properties.set_filter(32123, h5py.h5z.FLAG_OPTIONAL, ())
    space = h5py.h5s.create_simple((6, 3))
    h5py.h5d.create(file.id, b"scores", h5py.h5t.NATIVE_DOUBLE, space, properties)


def no_values(file, other):
    file["scores"] = h5py.Empty("f8")


@pytest.mark.parametrize(
    "make, words",
    [
        (external_link, "'scores' is a link to another file"),
        (soft_link, "'scores' is a link to another place"),
        (circle, "'scores' is a link to another place"),
        (external_storage, "'scores' is kept in other files, which are not opened"),
        (virtual, "'scores' is a virtual dataset, which are not opened"),
        (giant, "'scores' of 8,796.1 GB its arrays are larger than 2.1 GB"),
        (references, "'scores' is of type reference"),
        (regions, "'scores' is of type reference"),
        (records, r"'scores' is of type record \(a, b\)"),
        (varying, "'scores' is of type array of varying length"),
        (group, "'scores' is not an array"),
        (committed, "'scores' is not an array"),
        (missing_filter, "HDF5 filter 32123, which is not installed"),
        (no_values, r"scores of shape \(0,\) do not fit"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_hdf5_keeps_elsewhere_or_otherwise_is_refused(tmp_path, make, words):
    with h5py.File(tmp_path / "other.h5", "w") as other:
        other["scores"] = VALUES
    with hdf5(tmp_path / "a.h5", scores=None) as file:
        make(file, tmp_path / "other.h5")
    with pytest.raises(PipelineError, match=words) as caught:
        external_scores.read(tmp_path / "a.h5")
    assert str(caught.value).startswith(f"{tmp_path / 'a.h5'}: ") and "\n" not in str(caught.value)


def test_files_that_claim_to_be_ours_are_not_followed_elsewhere(tmp_path):
    with writer.create(tmp_path / "ours.h5", "scores", {}, "code") as file:
        file["clips"], file["labels"], file["classes"] = NAMES, LABELS, CLASSES
        external_link(file, "/etc/passwd")
    with pytest.raises(PipelineError, match="'scores' is a link to another file"):
        external_scores.read(tmp_path / "ours.h5")


def test_nothing_else_in_an_hdf5_file_is_opened(tmp_path):
    with hdf5(tmp_path / "a.h5") as file:
        file["linked"] = h5py.ExternalLink("/etc/passwd", "/")
        file.create_dataset("huge", (2**30, 2**30), "f8", chunks=(1, 1024))
        file["records"] = np.zeros(3, [("a", "f8")])
        inner = file.create_group("nested/deep")
        inner["rgb"] = VALUES + 1
    assert (taken(tmp_path / "a.h5") == VALUES).all()
    found = external_scores.read(tmp_path / "a.h5", "nested/deep/rgb")
    assert (found.values == VALUES + 1).all()


def test_names_that_unpack_to_all_memory_are_refused(tmp_path, monkeypatch):
    """Names of varying length may all be one heap object of the file."""
    with hdf5(tmp_path / "a.h5", names=None) as file:
        names = file.create_dataset("names", (1 << 11,), h5py.string_dtype())
        names[0] = "x" * (1 << 20)
        file.flush()
        place = names.id.get_offset()
    content = bytearray((tmp_path / "a.h5").read_bytes())
    for row in range(1, 1 << 11):
        content[place + 16 * row : place + 16 * (row + 1)] = content[place : place + 16]
    (tmp_path / "a.h5").write_bytes(content)
    monkeypatch.setattr(limits, "MEMORY", 1 << 30)
    with pytest.raises(PipelineError, match="a.h5: .*; what can be read are"):
        external_scores.read(tmp_path / "a.h5")


# MATLAB


@pytest.mark.parametrize(
    "changed, words",
    [
        ({"scores_idt": sparse.eye_array(6, 3)}, "sparse matrix"),
        ({"scores_idt": {"a": 1}}, "type record"),
        ({"scores_idt": VALUES * 1j}, "type complex128"),
        ({"scores_idt": "text"}, "type text"),
        ({"scores_idt": np.array([[VALUES]], object)}, "MATLAB's cells"),
        ({"scores_idt": VALUES.T}, "transposed"),
        ({"vn_idt": np.arange(6)}, "names of clips are wanted as text"),
        ({"gt_idt": np.arange(6)}, "write labels from 1"),
        ({"gt_idt": [1, 1, 2, 2, 3, 2.5]}, "no whole numbers"),
    ],
)
def test_matlab_files_that_do_not_fit_are_refused(tmp_path, changed, words):
    path = mat(tmp_path / "a.mat", **changed)
    with pytest.raises(PipelineError, match=words) as caught:
        external_scores.read(path)
    assert str(caught.value).startswith(f"{path}: ") and "\n" not in str(caught.value)


def test_matlabs_matrix_of_text_gives_names(tmp_path):
    """char(names) in MATLAB fills short names up with blanks."""
    path = mat(tmp_path / "a.mat", vn_idt=np.array([name.ljust(30) for name in NAMES]))
    assert (taken(path) == VALUES).all()


def test_version_7_3_is_refused_with_its_cure(tmp_path):
    head = b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM"
    (tmp_path / "a.mat").write_bytes(head.ljust(512, b"\0"))
    with pytest.raises(PipelineError, match="version 7.3; save it again with -v7"):
        external_scores.read(tmp_path / "a.mat")


@pytest.mark.parametrize("seed", range(8))
def test_damaged_matlab_files_never_end_in_a_traceback(tmp_path, seed):
    """scipy's reader crashes on some of these."""
    content = bytearray(mat(tmp_path / "a.mat").read_bytes())
    rng = np.random.default_rng(seed)
    for place in rng.integers(128, len(content), 12):
        content[place] = rng.integers(256)
    (tmp_path / "a.mat").write_bytes(content)
    with contextlib.suppress(PipelineError):
        external_scores.read(tmp_path / "a.mat")


# Files of other kinds


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
