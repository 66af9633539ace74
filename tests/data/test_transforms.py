"""Pixels are resized, mirrored and normalised, on the CPU and on the GPU to the same bits."""

import cv2
import numpy as np
import pytest
import torch

from pipeline.data import memory, transforms
from pipeline.data.batch import InputBatch
from pipeline.flow import levels


def test_mirrored_fields_are_the_flow_of_the_mirrored_motion():
    """A mirrored clip moves by (-u, v) at the mirrored pixel.

    The bytes agree but for one level where u lies between two of them.
    """
    y, x = np.mgrid[0:20, 0:30].astype(np.float64)
    # A motion field (u, v) at (x, y).
    u, v = 0.7 * x - 9 + np.sin(y), 8 - 0.6 * y + np.cos(x)
    u[3], v[4] = 0, 0
    codes = torch.from_numpy(np.stack([levels.quantise(u), levels.quantise(v)]))
    mirrored = transforms.mirror(codes, "motion").numpy()
    expected = np.stack([levels.quantise(-u[:, ::-1]), levels.quantise(v[:, ::-1])])
    difference = mirrored.astype(int) - expected
    # Row 3 does not move: its byte is 127 for 128.
    assert np.abs(difference[0]).max() == 1 and (difference[0] == 0).mean() > 0.9
    assert (difference[1] == 0).all()
    assert torch.equal(transforms.mirror(torch.from_numpy(mirrored), "motion"), codes)


@pytest.mark.parametrize(
    "height, width", [(180, 211), (240, 241), (158, 165), (45, 60), (300, 250), (224, 224), (1, 7)]
)
def test_resize_has_the_bits_of_opencv(height, width):
    pixels = np.random.default_rng(height).integers(0, 256, (5, height, width)).astype(np.uint8)
    for size in (48, 224):
        expected = np.stack(
            [cv2.resize(plane, (size, size), interpolation=cv2.INTER_LINEAR) for plane in pixels]
        )
        resized = transforms.resize(torch.from_numpy(pixels), size).numpy()
        np.testing.assert_array_equal(resized, expected)


def test_normalise():
    rng = np.random.default_rng(0)
    rgb = rng.integers(0, 256, (2, 5, 3, 4, 4)).astype(np.uint8)  # (B, T, C, H, W)
    # The mean and the standard deviation of torchvision's weights.
    mean, std = np.array([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]])[:, :, None, None]
    normal = transforms.normalise(torch.from_numpy(rgb), "appearance")
    assert normal.dtype == torch.float32
    np.testing.assert_allclose(normal.numpy(), (rgb / 255 - mean) / std, atol=1e-5)
    fields = torch.tensor([0, 128, 255], dtype=torch.uint8).reshape(1, 3, 1, 1).expand(2, 3, 2, 2)
    normal = transforms.normalise(fields, "motion")[1, :, 0, 0]
    np.testing.assert_allclose(normal, np.array([-128, 0, 127]) / (0.226 * 255), atol=1e-6)


@pytest.mark.parametrize("stream, each", [("appearance", (3, 1)), ("motion", (2, 10))])
def test_inputs_on_a_cpu_are_normalised_to_the_bits_of_arithmetic(stream, each):
    """A CPU looks values up in a table, a GPU computes them; any batch, and pixels of any strides.

    `each` is the number of channels of a frame or field, and the length of a stack.
    """
    channels, length = each
    values = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16)
    items = values.expand(12, channels, 16, 16).clone()
    items += torch.arange(12, dtype=torch.uint8)[:, None, None, None]
    rng = np.random.default_rng(0)
    for pixels in (items, items.transpose(-1, -2), items[..., 3:9]):
        for batch in ((2,), (2, 5), (0,)):
            index = torch.from_numpy(rng.integers(0, 12, (*batch, length)))
            inputs = InputBatch(pixels, index)
            normal = transforms.normalise(inputs, stream)
            assert normal.shape == (*batch, channels * length, *pixels.shape[2:])
            if batch[0]:
                samples = index.reshape(-1, length)
                stacks = [torch.cat([pixels[item] for item in sample]) for sample in samples]
                expected = transforms.normalise(torch.stack(stacks), stream)
                assert torch.equal(normal.flatten(0, -4), expected)
            assert torch.equal(transforms.normalise(inputs.stacked.int(), stream), normal)


def test_normalised_batches_do_not_share_memory_while_they_are_needed():
    """Memory is recycled, but never that of a batch to which anything still refers."""

    def normal(value: int) -> torch.Tensor:
        frame = torch.full((1, 3, 64, 64), value, dtype=torch.uint8)
        inputs = InputBatch(frame, torch.zeros(20, 1, dtype=torch.int64))
        return transforms.normalise(inputs, "appearance")

    held = [normal(value) for value in range(memory.MAX_BLOCKS)]
    assert [len(torch.unique(batch[:, 0])) for batch in held] == memory.MAX_BLOCKS * [1]
    assert len({float(batch[0, 0, 0, 0]) for batch in held}) == memory.MAX_BLOCKS
    part = held[-1].view(-1)[:4]
    address = held[-1].data_ptr()
    del held
    assert normal(9).data_ptr() != address and len(torch.unique(part)) == 1
    del part
    batches = [normal(value) for value in range(memory.MAX_BLOCKS)]
    assert address in {batch.data_ptr() for batch in batches}
