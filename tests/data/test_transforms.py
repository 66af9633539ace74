"""Pixels are resized, mirrored and normalised, on the CPU and on the GPU to the same bits."""

import cv2
import numpy as np
import pytest
import torch

from pipeline.data import memory, transforms
from pipeline.data.batch import InputBatch
from pipeline.flow import levels


def test_mirrored_fields_are_the_flow_of_the_mirrored_motion():
    """A mirrored clip moves by (-u, v) at the mirrored place; the codes agree up to one level, where u is a tie."""
    y, x = np.mgrid[0:20, 0:30].astype(np.float64)
    u, v = 0.7 * x - 9 + np.sin(y), 8 - 0.6 * y + np.cos(x)  # a motion field (u, v) at (x, y)
    u[3], v[4] = 0, 0
    codes = torch.from_numpy(np.stack([levels.quantise(u), levels.quantise(v)]))
    found = transforms.mirror(codes, "motion").numpy()
    difference = found.astype(int) - np.stack(
        [levels.quantise(-u[:, ::-1]), levels.quantise(v[:, ::-1])]
    )
    assert (
        np.abs(difference[0]).max() == 1 and (difference[0] == 0).mean() > 0.9
    )  # row 3, at rest: 127 for 128
    assert (difference[1] == 0).all()
    assert torch.equal(transforms.mirror(torch.from_numpy(found), "motion"), codes)


@pytest.mark.parametrize(
    "height, width", [(180, 211), (240, 241), (158, 165), (45, 60), (300, 250), (224, 224), (1, 7)]
)
def test_resize_has_the_bits_of_opencv(height, width):
    pixels = np.random.default_rng(height).integers(0, 256, (5, height, width)).astype(np.uint8)
    for size in (48, 224):
        expected = np.stack(
            [cv2.resize(plane, (size, size), interpolation=cv2.INTER_LINEAR) for plane in pixels]
        )
        np.testing.assert_array_equal(
            transforms.resize(torch.from_numpy(pixels), size).numpy(), expected
        )


def test_normalise():
    rgb = (
        np.random.default_rng(0).integers(0, 256, (2, 5, 3, 4, 4)).astype(np.uint8)
    )  # (B, T, C, H, W)
    mean, std = np.array([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]])[
        :, :, None, None
    ]  # torchvision's weights'
    found = transforms.normalise(torch.from_numpy(rgb), "appearance")
    assert found.dtype == torch.float32
    np.testing.assert_allclose(found.numpy(), (rgb / 255 - mean) / std, atol=1e-5)
    planes = torch.tensor([0, 128, 255], dtype=torch.uint8).reshape(1, 3, 1, 1).expand(2, 3, 2, 2)
    found = transforms.normalise(planes, "motion")[1, :, 0, 0]
    np.testing.assert_allclose(found, np.array([-128, 0, 127]) / (0.226 * 255), atol=1e-6)


@pytest.mark.parametrize("stream, each", [("appearance", (3, 1)), ("motion", (2, 10))])
def test_inputs_on_a_cpu_are_normalised_to_the_bits_of_arithmetic(stream, each):
    """A CPU looks values up, a GPU calculates; the same pixels mean the same to both. Any batch, any strides."""
    shades = (
        torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16).expand(12, each[0], 16, 16).clone()
    )
    shades += torch.arange(12, dtype=torch.uint8)[:, None, None, None]
    rng = np.random.default_rng(0)
    for planes in (shades, shades.transpose(-1, -2), shades[..., 3:9]):
        for batch in ((2,), (2, 5), (0,)):
            some = InputBatch(planes, torch.from_numpy(rng.integers(0, 12, (*batch, each[1]))))
            expected = (
                torch.stack(
                    [
                        torch.cat([planes[place] for place in places])
                        for places in some.index.reshape(-1, each[1])
                    ]
                )
                if batch[0]
                else planes[:0]
            )
            found = transforms.normalise(some, stream)
            assert found.shape == (*batch, each[0] * each[1], *planes.shape[2:])
            assert (
                torch.equal(found.flatten(0, -4), transforms.normalise(expected, stream))
                or not batch[0]
            )
            assert torch.equal(transforms.normalise(some.stacked.int(), stream), found)


def test_normalised_batches_do_not_share_memory_while_they_are_needed():
    """Memory is used again, but not that of a batch which anything still refers to."""

    def normal(value: int) -> torch.Tensor:
        return transforms.normalise(
            InputBatch(
                torch.full((1, 3, 64, 64), value, dtype=torch.uint8),
                torch.zeros(20, 1, dtype=torch.int64),
            ),
            "appearance",
        )

    held = [normal(value) for value in range(memory.MAX_BLOCKS)]
    assert [len(torch.unique(batch[:, 0])) for batch in held] == memory.MAX_BLOCKS * [1]
    assert len({float(batch[0, 0, 0, 0]) for batch in held}) == memory.MAX_BLOCKS
    part = held[-1].view(-1)[:4]
    place = held[-1].data_ptr()
    del held
    assert normal(9).data_ptr() != place and len(torch.unique(part)) == 1
    del part
    assert place in {
        batch.data_ptr() for batch in [normal(value) for value in range(memory.MAX_BLOCKS)]
    }
