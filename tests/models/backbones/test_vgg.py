"""VGG-16 against torchvision's."""

import copy

import numpy as np
import pytest
import torch
from model_cases import numpy
from torch import nn
from torchvision.models import vgg16

from pipeline.errors import PipelineError
from pipeline.models.backbones.vgg import VGG16


@pytest.fixture(scope="module")
def torchvisions(tmp_path_factory) -> tuple[nn.Sequential, str]:
    """torchvision's convolutions with random parameters, and a file of them."""
    torch.manual_seed(0)
    with torch.device("meta"):
        features = vgg16(weights=None).features
    features = features.to_empty(device="cpu").eval()
    for layer in features:
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            nn.init.normal_(layer.bias)
    path = tmp_path_factory.mktemp("weights") / "vgg16.pth"
    torch.save({f"features.{name}": value for name, value in features.state_dict().items()}, path)
    return features, str(path)


def test_vgg_is_torchvisions(torchvisions):
    features, path = torchvisions
    net = VGG16()
    net.start_from(path)
    assert [p.shape for p in net.parameters()] == [p.shape for p in features.parameters()]
    x = torch.randn(1, 3, 56, 56)  # the pools round down: 7 to 3
    with torch.no_grad():
        conv3_3, conv4_3, conv5_3 = net(x)
        torch.testing.assert_close(conv3_3, features[:16](x))
        torch.testing.assert_close(conv4_3, features[:23](x))
        torch.testing.assert_close(conv5_3, features[:30](x))
    assert (
        conv3_3.shape == (1, 256, 14, 14)
        and conv4_3.shape == (1, 512, 7, 7)
        and conv5_3.shape == (1, 512, 3, 3)
    )


def test_cross_modality_start(torchvisions):
    features, path = torchvisions
    net = VGG16(20)
    net.start_from(path)
    convolutions = [conv for stage in net.convolutions() for conv in stage]
    theirs = [layer for layer in features if isinstance(layer, nn.Conv2d)]
    mean = numpy(theirs[0].weight).mean(axis=1)  # (64, 3, 3)
    for channel in range(20):
        np.testing.assert_allclose(numpy(convolutions[0].weight)[:, channel], mean, atol=1e-6)
    torch.testing.assert_close(convolutions[0].bias, theirs[0].bias, rtol=0, atol=0)
    for own, other in zip(convolutions[1:], theirs[1:], strict=True):
        assert torch.equal(own.weight, other.weight) and torch.equal(own.bias, other.bias)


def test_no_weights_leave_the_net_as_it_is():
    net = VGG16(width=1 / 32)
    before = copy.deepcopy(net.state_dict())
    net.start_from("none")
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


def test_weights_of_another_width_are_refused(torchvisions):
    with pytest.raises(PipelineError, match="width"):
        VGG16(width=1 / 32).start_from(torchvisions[1])


def test_kaiming_start_keeps_the_scale_of_activations():
    """He et al. (2015): without ImageNet weights, 13 layers neither blow up nor die."""
    torch.manual_seed(0)
    for stage in VGG16(3, 1 / 4)(torch.randn(4, 3, 64, 64)):
        assert 0.1 < np.sqrt((numpy(stage) ** 2).mean()) < 10
