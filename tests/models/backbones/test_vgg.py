"""VGG-16 against torchvision's."""

import copy

import numpy as np
import pytest
import torch
from model_cases import numpy
from safetensors.torch import save_file
from torch import nn
from torchvision.models import vgg16

from pipeline.errors import PipelineError
from pipeline.models.backbones.vgg import VGG16
from pipeline.models.backbones.vgg_weights import TORCHVISION
from pipeline.models.baseline import Baseline


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


def baseline_of(size: int, fc: int = 8, width: float = 1 / 32) -> Baseline:
    torch.manual_seed(1)
    return Baseline(VGG16(3, width), 7, size=size, fc=fc, dropout=0.5)


@pytest.fixture
def whole(tmp_path) -> str:
    """A file of the convolutions, fc6 and fc7 of a narrow network for inputs of 224 pixels."""
    torch.manual_seed(0)
    net = Baseline(VGG16(3, 1 / 32), 7, size=224, fc=8, dropout=0.5)
    convolutions = [conv for stage in net.vgg.convolutions() for conv in stage]
    names = [f"features.{index}" for stage in TORCHVISION for index in stage]
    layers = dict(zip(names, convolutions, strict=True))
    layers |= {"classifier.0": net.fc6, "classifier.3": net.fc7}
    state = {
        f"{name}.{part}": value
        for name, layer in layers.items()
        for part, value in layer.state_dict().items()
    }
    torch.save(state, tmp_path / "whole.pth")
    return str(tmp_path / "whole.pth")


@pytest.mark.parametrize("size, loaded", [(224, True), (112, False), (160, False)])
def test_fully_connected_layers_start_from_a_file_at_224_pixels(whole, capsys, size, loaded):
    """At other sizes fc6 reads 3 x 3 or 5 x 5 pixels of conv5_3 in place of 7 x 7."""
    state = torch.load(whole, weights_only=True)
    net = baseline_of(size)
    fresh = copy.deepcopy(net)
    net.start_from(whole)
    assert torch.equal(net.vgg.convolutions()[4][2].weight, state["features.28.weight"])
    for layer, own, name in ((net.fc6, fresh.fc6, "0"), (net.fc7, fresh.fc7, "3")):
        wanted = state[f"classifier.{name}.weight"] if loaded else own.weight
        assert torch.equal(layer.weight, wanted)
    assert ("fc6 and fc7 start at random" in capsys.readouterr().err) != loaded
    assert net.eval()(torch.randn(2, 3, size, size)).units.shape == (1, 2, 7)


def test_files_of_convolutions_alone_leave_the_rest_random(whole, tmp_path, capsys):
    state = torch.load(whole, weights_only=True)
    part = {name: value for name, value in state.items() if name.startswith("features")}
    save_file(part, tmp_path / "convolutions.safetensors")
    net = baseline_of(224)
    fresh = copy.deepcopy(net)
    net.start_from(str(tmp_path / "convolutions.safetensors"))
    assert torch.equal(net.vgg.convolutions()[0][0].weight, state["features.0.weight"])
    assert torch.equal(net.fc6.weight, fresh.fc6.weight)
    assert "convolutions alone" in capsys.readouterr().err


def test_fully_connected_layers_of_another_width_are_refused(whole):
    with pytest.raises(PipelineError, match=r"'classifier.0.weight' is \(8, .*network.fc"):
        baseline_of(224, fc=12).start_from(whole)


@pytest.mark.parametrize("size", [16, 31])
def test_sizes_that_are_too_small_are_refused(size):
    with pytest.raises(PipelineError, match=f"crops.size {size} is too small: .*to 32 or more"):
        baseline_of(size)


@pytest.mark.parametrize("size, sides", [(224, [56, 28, 14]), (112, [28, 14, 7]), (50, [12, 6, 3])])
def test_sides_are_those_of_the_maps(size, sides):
    net = VGG16(3, 1 / 32)
    maps = net(torch.zeros(1, 3, size, size))
    assert net.sides(size) == [stage.shape[-1] for stage in maps] == sides
