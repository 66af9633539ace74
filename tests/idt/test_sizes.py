"""Lengths and memory: against the codebooks themselves, and by arithmetic done by hand."""

import pytest

from pipeline.idt import fisher, sizes


def test_a_vector_is_as_long_as_its_codebooks_make_it():
    reduced = sum(length // 2 for length in fisher.LENGTHS.values())
    assert sizes.fisher_length(3) == 2 * 3 * reduced
    assert sizes.fisher_length(256) == 109_056


def test_blocks_are_for_more_clips_than_ucf101_and_hmdb51_train_on():
    assert not sizes.read_in_blocks(9_624) and not sizes.read_in_blocks(16_000)
    assert sizes.read_in_blocks(16_001)


@pytest.mark.parametrize(
    "clips, classes, components, gigabytes",
    [
        # 14 x 9,537^2, 2 x 4 x 9,537 x 4,096 of columns, 8 x 101 x 9,537, 4 x 101 x 109,056.
        (9_537, 101, 256, 1.27 + 0.31 + 0.01 + 0.04),
        # 4 x 1,024 x 109,056, 16 x 1,024^2, 8 x 400 x 95,000, 12 x 400 x 109,056.
        (95_000, 400, 256, 0.45 + 0.02 + 0.30 + 0.52),
    ],
)
def test_memory_of_svms(clips, classes, components, gigabytes):
    length = sizes.fisher_length(components)
    found = sizes.svm_bytes(clips, classes, length)
    assert found / 1e9 == pytest.approx(gigabytes, abs=0.02)


def test_memory_in_blocks_does_not_grow_with_the_square_of_the_clips():
    length = sizes.fisher_length(256)
    once, twice, thrice = (sizes.svm_bytes(clips, 400, length) for clips in (10**5, 2e5, 3e5))
    assert thrice - twice == twice - once == 8 * 400 * 10**5
