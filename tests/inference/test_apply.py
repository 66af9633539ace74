"""Networks at instants of clips: all of them, in order, in batches."""

import numpy as np
import pytest
from inference_cases import CPU, ROWS

from pipeline.inference.apply import apply_at_instants


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("batch", [1, 3, 100])
def test_of_inputs_joins_batches_in_order(streams, batch, workers):
    sizes = []

    def net(x):
        sizes.append(len(x))
        return x[:, :, 5, 5]

    motion = streams["motion"]
    instants = [np.array([5, 2, 9, 1, 7, 3, 8]), np.array([0]), np.array([4, 4, 10])]
    found = list(
        apply_at_instants({"motion": net}, {"motion": motion}, ROWS, instants, batch, CPU, workers)
    )
    assert max(sizes) <= batch and sum(sizes) == 11
    for row, wanted, values in zip(ROWS, instants, found, strict=True):
        pixels = np.stack([motion(row, int(t), motion.centre_crop())[:, 5, 5] for t in wanted])
        np.testing.assert_allclose(
            values["motion"].numpy(), (pixels - 128.0) / (0.226 * 255), atol=1e-5
        )
