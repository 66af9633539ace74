"""How the clips and classes of two score files find each other."""

import numpy as np
import pytest
from score_cases import CLASSES, LABELS, NAMES, ROWS, VALUES, mat, npz

from pipeline.errors import PipelineError
from pipeline.evaluation import external_scores
from pipeline.evaluation.matching import match_rows, match_scores
from pipeline.evaluation.score_files import Scores


def taken(path) -> np.ndarray:
    return match_rows(external_scores.read(path), ROWS, CLASSES, str(path))


@pytest.mark.parametrize(
    "columns, rows", [((0, 1, 2), range(6)), ((0, 2, 1), range(6)), ((2, 0, 1), (5, 3, 1, 0, 2, 4))]
)
def test_rows_and_columns_of_a_mat_are_matched(tmp_path, columns, rows):
    assert (taken(mat(tmp_path / "a.mat", columns, rows)) == VALUES).all()


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
    assert (match_rows(found, rows, CLASSES, "a.npz") == VALUES[:3]).all()


def test_classes_without_clips_and_names_are_refused(tmp_path):
    found = external_scores.read(mat(tmp_path / "a.mat", rows=range(4)))
    with pytest.raises(PipelineError, match="without clips of Run nothing says"):
        match_rows(found, ROWS[:4], CLASSES, "a.mat")


def test_scores_without_class_names_fuse_too():
    plain = Scores(NAMES, np.array(LABELS), [], VALUES)
    assert (match_scores(plain, plain, "a.mat").values == VALUES).all()
