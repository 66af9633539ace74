"""The baselines against arithmetic by hand and their published sizes."""

import numpy as np
import pytest
import torch
from model_cases import SETTINGS, affine, baseline, count, numpy
from torch import nn

from pipeline.errors import PipelineError
from pipeline.models import factory
from pipeline.models.backbones.vgg import VGG16
from pipeline.models.backbones.vgg_weights import TORCHVISION
from pipeline.models.baseline import Baseline


@pytest.mark.parametrize(
    "kind, features", [("baseline", 12), ("direct", 12 + 32)]
)  # fc; CNN_M's 2048 / 64
def test_baselines_by_hand(kind, features):
    net = baseline(kind).eval()
    x = torch.randn(3, 4, 64, 64)
    found = net(x)
    assert (
        found.feature.shape == (3, features)
        and found.units.shape == (1, 3, 7)
        and found.granularities is None
    )
    pooled = numpy(net.vgg(x)[-1])  # (3, c, 4, 4)
    pooled = pooled.reshape(3, -1, 2, 2, 2, 2).max(axis=(3, 5)).reshape(3, -1)
    fc7 = np.maximum(affine(net.fc7, np.maximum(affine(net.fc6, pooled), 0)), 0)
    np.testing.assert_allclose(numpy(found.feature)[:, :12], fc7, atol=1e-5)
    if kind == "direct":
        np.testing.assert_allclose(
            numpy(net.beside.classifier[-1](found.feature[:, 12:])), numpy(net.beside(x)), atol=1e-5
        )
    np.testing.assert_allclose(
        numpy(found.units[0]), affine(net.classes, numpy(found.feature)), atol=1e-5
    )


@pytest.mark.parametrize("layer", ["fc6", "fc7"])
def test_baselines_dropout_of_each_layer(layer):
    rates = {"fc6": 0.0, "fc7": 0.0, layer: 0.5}
    torch.manual_seed(0)
    net = Baseline(VGG16(3, 1 / 32), 7, size=64, fc=64, dropout=rates)
    x = torch.randn(3, 3, 64, 64)
    whole, found = net.eval()(x).feature, net.train()(x).feature
    dropped_or_doubled = ((found == 0) | torch.isclose(found, 2 * whole)).all()
    assert bool(dropped_or_doubled) == (layer == "fc7") and not torch.allclose(found, whole)


def test_baseline_at_paper_size_is_vgg16():
    """VGG-16 has 138,357,544 parameters for 1000 classes (Simonyan and Zisserman, 2015: 138M)."""
    with torch.device("meta"):
        net = Baseline(VGG16(3), 101, size=224, fc=4096, dropout=0.5)
    assert count(net) == 138_357_544 - 899 * 4097


def test_baseline_starts_from_torchvisions_layers(tmp_path):
    net, other = baseline("baseline"), baseline("baseline")
    state = {}
    for stage, places in zip(other.vgg.convolutions(), TORCHVISION, strict=True):
        for conv, place in zip(stage, places, strict=True):
            state |= {
                f"features.{place}.weight": torch.randn_like(conv.weight),
                f"features.{place}.bias": conv.bias.data,
            }
    state["features.0.weight"] = torch.randn(other.vgg.convolutions()[0][0].out_channels, 3, 3, 3)
    for name, layer in (("classifier.0", other.fc6), ("classifier.3", other.fc7)):
        state |= {
            f"{name}.weight": torch.randn_like(layer.weight),
            f"{name}.bias": torch.randn_like(layer.bias),
        }
    torch.save(state, tmp_path / "vgg.pth")
    net.start_from(str(tmp_path / "vgg.pth"))
    assert torch.equal(net.fc6.weight, state["classifier.0.weight"])
    assert torch.equal(net.fc7.bias, state["classifier.3.bias"])
    del state["classifier.3.weight"]
    torch.save(state, tmp_path / "short.pth")
    with pytest.raises(PipelineError, match=r"no weight of layer 'classifier\.3'"):
        net.start_from(str(tmp_path / "short.pth"))


def pooled(kind: str) -> nn.Module:
    torch.manual_seed(0)
    network = SETTINGS["network"] | {"kind": kind, "backbone": "test_efficientnet"}
    return factory.stream_net(SETTINGS | {"network": network}, "motion", 7)


@pytest.mark.parametrize("kind, features", [("baseline", 64), ("direct", 64 + 32)])
def test_baselines_on_other_backbones_by_hand(kind, features):
    net = pooled(kind).eval()
    x = torch.randn(3, 4, 64, 64)
    found = net(x)
    assert net.features == features and found.granularities is None
    average = numpy(net.vgg(x)[-1]).mean(axis=(2, 3))  # (3, 64, 2, 2) -> (3, 64)
    np.testing.assert_allclose(numpy(found.feature)[:, :64], average, atol=1e-5)
    if kind == "direct":
        np.testing.assert_allclose(
            numpy(found.feature)[:, 64:], numpy(net.beside.hidden(x)), atol=1e-5
        )
    np.testing.assert_allclose(
        numpy(found.units[0]), affine(net.classes, numpy(found.feature)), atol=1e-5
    )
