"""Class groups: the teacher's likeliest classes, the true one always among them."""

import numpy as np
import pytest
import torch
from data_cases import LONG

from pipeline.data.groups import NO_CLASS, CachedRankings, form, form_all, rank
from pipeline.storage import writer
from pipeline.storage.keys import key_of


def test_rank_likeliest_first_and_ties_by_class_number():
    logits = torch.tensor([[0.0, 3.0, 1.0, 3.0, 2.0, 3.0], [5.0, 5.0, 5.0, 5.0, 5.0, 5.0]])
    assert rank(logits, 5).tolist() == [[1, 3, 5, 4, 2], [0, 1, 2, 3, 4]]
    assert rank(logits, 2).tolist() == [[1, 3], [0, 1]]


def test_form_keeps_a_group_that_has_the_true_class():
    ranked = torch.tensor([[4, 2, 9, 0, 7]])
    for label in (4, 2, 9):
        assert form(ranked, torch.tensor([label]), 3).tolist() == [[4, 2, 9]]


def test_form_puts_the_true_class_in_place_of_the_last():
    """Paper, section 4.2: the ground truth is 'mandatorily included'."""
    ranked = torch.tensor([[4, 2, 9, 0, 7]])
    # Two labels that are ranked lower, and one that is not ranked.
    for label in (0, 7, 5):
        assert form(ranked, torch.tensor([label]), 3).tolist() == [[4, 2, label]]


def test_form_may_add_the_true_class_instead():
    ranked = torch.tensor([[4, 2, 9, 0, 7]] * 4)
    labels = torch.tensor([2, 0, 5, 9])
    assert form(ranked, labels, 3, "add").tolist() == [
        [4, 2, 9, NO_CLASS],
        [4, 2, 9, 0],
        [4, 2, 9, 5],
        [4, 2, 9, NO_CLASS],
    ]
    assert [group.tolist() for group in form_all(ranked[:1], labels[:1], [2, 1], "add")] == [
        [[4, 2, NO_CLASS]],
        [[4, 2]],
    ]


def test_form_all_of_a_batch():
    ranked = torch.tensor([[4, 2, 9, 0, 7], [1, 2, 3, 4, 5], [8, 6, 4, 2, 0]], dtype=torch.int32)
    labels = torch.tensor([7, 6, 8])
    coarse, middle, fine = form_all(ranked, labels, [5, 3, 1])
    assert coarse.tolist() == [[4, 2, 9, 0, 7], [1, 2, 3, 4, 6], [8, 6, 4, 2, 0]]
    assert middle.tolist() == [[4, 2, 7], [1, 2, 6], [8, 6, 4]]
    # A group of one is the true class, whatever the teacher says.
    assert fine.tolist() == [[7], [6], [8]]
    assert coarse.dtype == torch.int64


def test_form_leaves_the_ranking_as_it_is():
    ranked = torch.tensor([[4, 2, 9]])
    form(ranked, torch.tensor([5]), 3)
    assert ranked.tolist() == [[4, 2, 9]]


@pytest.mark.parametrize(
    "stride, expected", [(1, [0, 3, 7, 28]), (4, [0, 0, 1, 7]), (40, [0, 0, 0, 0])]
)
def test_groups_between_two_strides_are_those_before(tmp_path, stride, expected):
    with writer.create(tmp_path / "groups.h5", "groups", {}, "test") as file:
        positions = np.arange(0, 29, stride)
        file[key_of(LONG["clip"])] = np.stack(
            [np.arange(len(positions)), positions], axis=1
        ).astype(np.uint16)
    ranked = CachedRankings(tmp_path / "groups.h5", stride)(LONG, [0, 3, 7, 28])
    assert ranked.dtype == np.int64 and ranked[:, 0].tolist() == expected


def test_groups_beyond_the_last_cached_position_are_its(tmp_path):
    """A frame may be drawn where no stack begins any more."""
    with writer.create(tmp_path / "groups.h5", "groups", {}, "test") as file:
        file[key_of(LONG["clip"])] = np.arange(8, dtype=np.uint16)[:, None]
    ranked = CachedRankings(tmp_path / "groups.h5", 1)(LONG, [6, 7, 8, 29])
    assert ranked[:, 0].tolist() == [6, 7, 7, 7]
