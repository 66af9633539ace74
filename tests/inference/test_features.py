"""Features of both streams: the same as instant by instant."""

import numpy as np
import pytest
import torch
from inference_cases import (
    CPU,
    HIDDEN,
    ROWS,
    all_models,
)

from pipeline.data import transforms
from pipeline.inference.features import features_of_clips


@pytest.mark.parametrize("workers", [0, 2])
def test_features_are_those_of_each_instant_and_can_be_learnt_on(streams, workers):
    model = all_models()["appearance-to-motion"]
    features = features_of_clips(model, tuple(streams.values()), ROWS, 4, CPU, workers)
    for row, found in zip(ROWS, features, strict=True):
        count = min(stream.last_instant(row) for stream in streams.values()) + 1
        for stream, net, part in zip(streams.values(), (model.one, model.many), found, strict=True):
            # Instants are those that both streams have.
            assert part.shape == (count, HIDDEN)
            pixels = torch.from_numpy(
                np.stack([stream(row, t, stream.centre_crop()) for t in range(count)])
            )
            with torch.inference_mode():
                expected = net(transforms.normalise(pixels, stream.name)).feature
            torch.testing.assert_close(part, expected, atol=1e-5, rtol=0)
    one, many = features[0]
    model.fusion(one[:1], many[None, :5]).sum().backward()
    assert all(weight.grad is not None for weight in model.fusion.parameters())
    assert all(
        weight.grad is None for net in (model.one, model.many) for weight in net.parameters()
    )
