"""Rules of late fusion on the scores that lie in folders of results."""

import late_fusion
import numpy as np
import pytest
from late_fusion import SOURCES, of_set
from score_cases import CLASSES, ROWS

from pipeline.evaluation.score_files import write_scores

LABELS = np.array([row["label"] for row in ROWS])


def write_fold(folder, split: int, wrong: dict[str, list[int]]):
    """Score files of a fold whose sources are sure of the true class of each clip but the `wrong`
    ones, where they are sure of the next. Each source has the clips in another order.
    """
    for number, source in enumerate((*SOURCES, "idt")):
        order = np.roll(np.arange(len(ROWS)), number)
        chosen = (LABELS + np.isin(np.arange(len(ROWS)), wrong.get(source, []))) % len(CLASSES)
        # (clips, classes), and (clips, instants, classes): the second instant knows nothing.
        values = 4 * np.eye(len(CLASSES))[chosen][order]
        logits = None if source == "idt" else np.stack([2 * values, 0 * values], axis=1)
        path = folder / "mini" / f"split{split}" / source / "scores.h5"
        path.parent.mkdir(parents=True)
        rows = [ROWS[row] for row in order]
        write_scores(str(path), source, rows, CLASSES, values, {}, "c0de", logits)


@pytest.fixture(autouse=True)
def trajectories(monkeypatch):
    """Decision values of training clips, which these results have none of."""
    monkeypatch.setattr(late_fusion, "held_out", lambda *_: (np.eye(3), np.arange(3)))


def test_sources_of_all_folds_are_compared_clip_by_clip(tmp_path):
    write_fold(tmp_path / "one", 1, {"motion": [0, 3], "idt": [5]})
    write_fold(tmp_path / "two", 3, {"motion": [1]})
    case = of_set(tmp_path, [tmp_path / "one", tmp_path / "two"], "mini")
    # Of 12 clips, in the order of the first source, which is that of the rows.
    wrong = {name: list(np.flatnonzero(~right)) for name, right in case["sources"].items()}
    assert wrong == {
        "appearance": [],
        "motion": [0, 3, 7],
        "appearance-to-motion": [],
        "motion-to-appearance": [],
        "idt": [5],
    }
    # Trajectories are outvoted with a quarter of the weight, and not with three.
    for weight, wrong in (("0.25", []), ("0.75", [5])):
        assert list(np.flatnonzero(~case["with IDT"][f"standardised, {weight}"])) == wrong


def test_a_set_without_results_has_no_case(tmp_path):
    assert of_set(tmp_path, [tmp_path], "mini") == {}


def test_a_fold_is_that_of_the_first_folder_that_has_it(tmp_path):
    write_fold(tmp_path / "one", 1, {"idt": [2]})
    write_fold(tmp_path / "two", 1, {"idt": [4]})
    case = of_set(tmp_path, [tmp_path / "one", tmp_path / "two"], "mini")
    assert list(np.flatnonzero(~case["sources"]["idt"])) == [2]
