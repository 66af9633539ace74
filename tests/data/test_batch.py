"""Batches hold every distinct frame or field once; an index says which of them a sample uses."""

import numpy as np
import torch
from data_cases import HEIGHT, LONG, SHORT, WIDTH, make_stream

from pipeline.data.batch import InputBatch, batch_index
from pipeline.data.crops import Crop

WHOLE = Crop(0, 0, 1, 1)


def test_stacks_of_a_batch_are_the_fields_that_its_index_names():
    fields = torch.arange(4).view(4, 1, 1, 1).expand(4, 2, 5, 6)
    batch = InputBatch(fields, torch.tensor([[0, 1, 2], [1, 2, 3]]))
    assert batch.stacked.shape == (2, 6, 5, 6)
    assert batch.stacked[..., 0, 0].tolist() == [[0, 0, 1, 1, 2, 2], [1, 1, 2, 2, 3, 3]]


def test_selected_samples_share_the_pixels():
    batch = InputBatch(torch.zeros(3, 3, 5, 6), torch.tensor([[0], [1], [2], [1]]))
    part = batch.select(slice(1, 3))
    assert part.index.tolist() == [[1], [2]] and part.pixels is batch.pixels
    assert torch.equal(part.stacked, batch.stacked[1:3])


def test_a_request_names_every_frame_or_field_once(folder):
    frames = make_stream(folder, "appearance").request(LONG, [4, 9, 4], WHOLE)
    assert frames.positions.tolist() == [4, 9] and frames.index.tolist() == [[0], [1], [0]]
    assert frames.shape == (2, HEIGHT, WIDTH, 3)
    fields = make_stream(folder, "motion").request(LONG, [4, 6], WHOLE)
    assert fields.positions.tolist() == [4, 5, 6, 7, 8]
    assert fields.index.tolist() == [[0, 1, 2], [2, 3, 4]]
    assert fields.shape == (5, 2, HEIGHT, WIDTH)


def test_a_request_reads_its_patches(folder):
    request = make_stream(folder, "motion").request(LONG, 4, Crop(0.25, 0.1, 0.6, 0.8))
    out = np.empty(request.shape, np.uint8)
    request.read_into(out)
    assert out.shape == (3, 2, 48, 48) and out[:, 0, 0, 0].tolist() == [104, 105, 106]
    for patch, expected in zip(request.patches(), out, strict=True):
        np.testing.assert_array_equal(patch, expected)


def test_the_index_of_a_batch_counts_on_from_request_to_request(folder):
    motion = make_stream(folder, "motion")
    requests = [motion.request(row, [0, 2], WHOLE) for row in (LONG, SHORT, LONG)]
    assert [len(request.positions) for request in requests] == [5, 5, 5]
    starts = batch_index(requests)[..., 0]
    assert starts.tolist() == [[0, 2], [5, 7], [10, 12]]
