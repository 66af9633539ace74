"""CNN_M_2048 against the sizes of its paper."""

import numpy as np
import torch
from model_cases import UCF101, count, numpy
from torch import nn

from pipeline.models.cnn_m import CNNM2048


def test_cnn_m_has_the_sizes_of_the_paper_at_224():
    with torch.device("meta"):  # shapes without arithmetic
        net = CNNM2048(3, UCF101, "appearance")
        sizes, x = [], torch.zeros(2, 3, 224, 224)
        for layer in net.features:
            x = layer(x)
            if isinstance(layer, (nn.Conv2d, nn.MaxPool2d)):
                sizes.append(tuple(x.shape[1:]))
        assert net(torch.zeros(2, 3, 224, 224)).shape == (2, UCF101)
    planes = [(96, 109), (96, 54), (256, 26), (256, 13), (512, 13), (512, 13), (512, 13), (512, 6)]
    assert sizes == [(c, side, side) for c, side in planes]


def test_cnn_m_parameters_at_ucf101():
    convolutions = [
        96 * 3 * 7 * 7 + 96,
        256 * 96 * 5 * 5 + 256,
        512 * 256 * 9 + 512,
        *2 * [512 * 512 * 9 + 512],
    ]
    full = [512 * 6 * 6 * 4096 + 4096, 4096 * 2048 + 2048, 2048 * 101 + 101]
    with torch.device("meta"):
        appearance, motion = CNNM2048(3, UCF101, "appearance"), CNNM2048(20, UCF101, "motion")
    assert count(appearance) == sum(convolutions) + sum(full) == 90_627_813
    assert count(motion) - count(appearance) == 96 * 17 * 7 * 7


def test_motion_teacher_drops_the_second_norm():
    norms = {
        stream: [
            place
            for place, layer in enumerate(CNNM2048(4, 3, stream, 1 / 32, 64).features)
            if isinstance(layer, nn.LocalResponseNorm)
        ]
        for stream in ("appearance", "motion")
    }
    assert norms == {
        "appearance": [2, 6],
        "motion": [2],
    }  # after the ReLU of conv1 and conv2, before the pool


def test_local_response_norm():
    """Krizhevsky et al. (2012), section 3.3: n = 5, k = 2, alpha = 1e-4, beta = 0.75."""
    net = CNNM2048(3, 4, "appearance", 1 / 8, 64)
    a = np.random.default_rng(0).uniform(0, 60, (2, 12, 3, 3))
    expected = np.empty_like(a)
    for i in range(12):
        window = a[:, max(0, i - 2) : i + 3]
        expected[:, i] = a[:, i] / (2 + 1e-4 * (window**2).sum(axis=1)) ** 0.75
    for place in (2, 6):
        np.testing.assert_allclose(
            numpy(net.features[place](torch.from_numpy(a))), expected, rtol=1e-12
        )
