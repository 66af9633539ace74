"""Networks of timm as backbones: maps, first layer, BatchNorm, weights."""

import copy

import numpy as np
import pytest
import timm
import torch
from model_cases import numpy
from safetensors.torch import save_file
from torch.nn.modules.batchnorm import _BatchNorm

from pipeline.data.transforms import normalise
from pipeline.errors import PipelineError
from pipeline.models.backbones import timm_net
from pipeline.models.backbones.timm_net import TimmNet

# Networks with BatchNorm; the first expects pixels of another mean than VGG-16, the second not.
LITE0, RESNET = "tf_efficientnet_lite0", "resnet18"
# timm's network for tests: 82,300 parameters, 12 BatchNorm layers.
TINY = "test_efficientnet"
# name -> channels and strides of the last three stages (the papers' tables), BatchNorm layers.
KNOWN = {
    "resnet18": ((128, 256, 512), (8, 16, 32), 20),
    "resnet50": ((512, 1024, 2048), (8, 16, 32), 53),
    "tf_efficientnet_lite0": ((40, 112, 320), (8, 16, 32), 48),
    "mobilenetv3_small_100": ((24, 48, 576), (8, 16, 32), 34),
    "convnext_atto": ((80, 160, 320), (8, 16, 32), 0),
    "regnety_002": ((56, 152, 368), (8, 16, 32), 44),
}


def norms(net: TimmNet) -> list[_BatchNorm]:
    return [layer for layer in net.modules() if isinstance(layer, _BatchNorm)]


def statistics(net: TimmNet) -> list[torch.Tensor]:
    """Copies of the means and variances that the BatchNorm layers store."""
    return [
        value.clone() for layer in norms(net) for value in (layer.running_mean, layer.running_var)
    ]


def step(net: TimmNet, size: int = 48) -> None:
    """One step of gradient descent on noise that is far from the stored statistics."""
    torch.manual_seed(5)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
    # Of one channel: the mean square of all is 1 whatever the weights are.
    maps = net(3 + torch.randn(4, 3, size, size))
    sum(stage[:, 0].square().mean() for stage in maps).backward()
    optimizer.step()


@pytest.fixture(scope="module")
def resnet_file(tmp_path_factory) -> tuple[dict, str]:
    """The tensors of a whole classifier with random parameters, and a file of them."""
    torch.manual_seed(0)
    whole = timm.create_model(RESNET, num_classes=5)
    for layer in whole.modules():
        if isinstance(layer, _BatchNorm):
            layer.running_mean.normal_()
            layer.running_var.uniform_(0.5, 2)
    path = tmp_path_factory.mktemp("weights") / "resnet18.pth"
    torch.save({"state_dict": {f"module.{k}": v for k, v in whole.state_dict().items()}}, path)
    return whole.state_dict(), str(path)


# Maps


@pytest.mark.parametrize("name", KNOWN)
@pytest.mark.parametrize("channels", [3, 20])
def test_side_outputs_are_the_last_three_stages(name, channels):
    with torch.device("meta"):
        net = TimmNet(name, channels, size=224)
        maps = net(torch.zeros(2, channels, 224, 224))
        small = net.sides(112)
    planes, strides, batch_norms = KNOWN[name]
    assert (tuple(net.channels), net.strides) == (planes, strides)
    assert [tuple(stage.shape) for stage in maps] == [
        (2, plane, 224 // stride, 224 // stride)
        for plane, stride in zip(planes, strides, strict=True)
    ]
    # 112 / 32 = 3.5: most networks pad, ConvNeXt leaves half a patch out.
    assert small == [14, 7, 3 if name == "convnext_atto" else 4]
    assert len(norms(net)) == batch_norms


def test_the_largest_networks_are_built_without_memory():
    """ConvNeXt-XXLarge has 846 million parameters (open_clip); the classifier is cut off."""
    with torch.device("meta"):
        net = TimmNet("convnext_xxlarge", 20, size=224)
    assert net.channels == [768, 1536, 3072]
    assert sum(p.numel() for p in net.parameters()) > 800e6


def test_maps_with_channels_last_are_turned():
    """Swin gives (B, H, W, C)."""
    with torch.device("meta"):
        net = TimmNet("swin_tiny_patch4_window7_224", 3, size=224)
        maps = net(torch.zeros(1, 3, 224, 224))
    assert [tuple(stage.shape[1:]) for stage in maps] == [(192, 28, 28), (384, 14, 14), (768, 7, 7)]


def test_sides_are_looked_at_where_strides_do_not_tell():
    """Inception-v3 has convolutions without padding: 25, 12 and 5, as its maps of 299 are 35 .."""
    with torch.device("meta"):
        net = TimmNet("inception_v3", 3, size=224)
        assert net.sides(299) == [35, 17, 8]  # Szegedy et al., 2016, Table 1
        assert net.sides(224) == [25, 12, 5]


def test_looking_at_maps_changes_nothing():
    torch.manual_seed(1)
    net = TimmNet(TINY, 3, size=48, batch_norm="batch")
    before, state = statistics(net), torch.get_rng_state()
    net.sides(48)
    assert net.training and all(layer.training for layer in norms(net))
    assert all(map(torch.equal, statistics(net), before))
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("name", [LITE0, RESNET, "convnext_atto"])
def test_maps_have_one_scale_whatever_a_stage_ends_in(name):
    """Lite0 ends its stages linearly, ResNet rectified, ConvNeXt in a sum that grows with depth."""
    torch.manual_seed(2)
    net = TimmNet(name, 3, size=64).eval()
    with torch.no_grad():
        maps = net(torch.randn(3, 3, 64, 64))
    for stage in maps:
        # (3, C, H, W) -> (3, C H W)
        samples = numpy(stage.flatten(1))
        np.testing.assert_allclose(samples.mean(axis=1), 0, atol=1e-5)
        np.testing.assert_allclose(samples.std(axis=1), 1, atol=1e-3)


REFUSED = {
    "unknown": ("resnet17", 224, "timm cannot build resnet17"),
    "another tag": ("resnet18.bogus", 224, "timm cannot build resnet18.bogus"),
    "too small": ("inception_v3", 48, "gives no 3 maps of an input of 48 x 48 .*such as 299"),
    "windows": ("hrnet_w18_small", 112, "gives no 3 maps of an input of 112 x 112 .*such as 224"),
}


@pytest.mark.parametrize("name, size, words", REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_built_is_refused_in_a_sentence(name, size, words):
    with torch.device("meta"), pytest.raises(PipelineError, match=words) as caught:
        TimmNet(name, 3, size=size).sides(size)
    assert "\n" not in str(caught.value)


# Inputs


def test_inputs_are_scaled_to_what_a_network_expects():
    """Lite0 expects (pixels / 255 - 0.5) / 0.5; ResNet-18 what `normalise` gives."""
    with torch.device("meta"):
        assert TimmNet(RESNET, 3, size=48).input_scale is None
    net = TimmNet(LITE0, 3, size=48)
    pixels = torch.randint(0, 256, (2, 3, 8, 8), dtype=torch.uint8)
    scaled = normalise(pixels, "appearance") * net.input_scale + net.input_shift
    torch.testing.assert_close(scaled, (pixels / 255 - 0.5) / 0.5, atol=1e-6, rtol=0)


def test_flow_is_scaled_as_colours_are_and_no_motion_stays_zero():
    net = TimmNet(LITE0, 20, size=48)
    still = torch.full((1, 20, 4, 4), 128, dtype=torch.uint8)
    scaled = normalise(still, "motion") * net.input_scale + net.input_shift
    np.testing.assert_allclose(numpy(scaled), 0, atol=1e-6)
    np.testing.assert_allclose(numpy(net.input_scale).item(), 0.226 / 0.5, rtol=1e-6)


# BatchNorm


@pytest.mark.parametrize("batch_norm, moving", [("frozen", 0), ("partial", 1), ("batch", 12)])
def test_statistics_of_batch_norm_move_where_they_should(batch_norm, moving):
    torch.manual_seed(0)
    net = TimmNet(TINY, 3, size=48, batch_norm=batch_norm).eval().train()
    before = statistics(net)
    step(net)
    changed = [not torch.equal(*pair) for pair in zip(before, statistics(net), strict=True)]
    # Mean and variance of each layer, the first ones first.
    assert changed == [True] * 2 * moving + [False] * 2 * (12 - moving)
    # What is learned is learned in any case.
    assert all(layer.weight.grad is not None for layer in norms(net))


def test_frozen_batch_norm_answers_in_training_as_in_evaluation():
    net = TimmNet(TINY, 3, size=48)
    x = torch.randn(4, 3, 48, 48)
    with torch.no_grad():
        for one, other in zip(net.train()(x), net.eval()(x), strict=True):
            assert torch.equal(one, other)


def test_frozen_batch_norm_gives_the_gradient_of_the_whole_batch_in_parts():
    """So accumulation and several processes change rounding only; batch statistics would not."""
    net, x = TimmNet(TINY, 3, size=32).double(), torch.randn(4, 3, 32, 32).double()

    def gradient(net: TimmNet, parts: int) -> torch.Tensor:
        net.zero_grad()
        for part in x.chunk(parts):
            (net(part)[-1][:, 0].square().mean() / parts).backward()
        return torch.cat([p.grad.flatten() for p in net.parameters()])

    torch.testing.assert_close(gradient(net, 2), gradient(net, 1))
    by_batch = copy.deepcopy(net)
    by_batch.batch_norm = "batch"
    by_batch.train()
    assert not torch.allclose(gradient(by_batch, 2), gradient(by_batch, 1), rtol=0.01)


# Weights


def test_weights_of_a_classifier_are_taken_by_name(resnet_file):
    state, path = resnet_file
    net = TimmNet(RESNET, 3, size=48)
    net.start_from(path)
    own = net.net.state_dict()
    assert len(own) == len(state) - 2  # fc.weight and fc.bias
    assert all(torch.equal(value, state[name]) for name, value in own.items())


@pytest.mark.parametrize("name", ["test_convnext", "mobilenetv3_small_050"])
def test_renamed_layers_are_found(tmp_path, name):
    """timm calls stages.0 of a cut network stages_0."""
    torch.manual_seed(0)
    whole = timm.create_model(name).eval()
    save_file(whole.state_dict(), tmp_path / "whole.safetensors")
    net = TimmNet(name, 3, size=64).eval()
    net.start_from(str(tmp_path / "whole.safetensors"))
    x = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        scaled = x if net.input_scale is None else x * net.input_scale + net.input_shift
        expected = whole.forward_intermediates(scaled, intermediates_only=True)[-2]
        # Its maps are brought to one scale; those of random weights are so small that the constant
        # below the root counts.
        variance, mean = torch.var_mean(expected, correction=0)
        brought = (expected - mean) / (variance + 1e-5).sqrt()
        torch.testing.assert_close(net(x)[-2], brought, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    "name, first",
    [
        (RESNET, ["conv1.weight"]),
        (LITE0, ["conv_stem.weight"]),
        ("repvgg_a0", ["stem.conv_kxk.conv.weight", "stem.conv_1x1.conv.weight"]),
    ],
)
def test_motion_starts_from_the_mean_of_the_rgb_weights(tmp_path, name, first):
    torch.manual_seed(0)
    state = timm.create_model(name).state_dict()
    torch.save(state, tmp_path / "weights.pth")
    net = TimmNet(name, 20, size=48)
    net.start_from(str(tmp_path / "weights.pth"))
    own = net.net.state_dict()
    for key in first:
        mean = numpy(state[key]).mean(axis=1)  # (out, h, w)
        assert own[key].shape[1] == 20
        for channel in range(20):
            np.testing.assert_allclose(numpy(own[key])[:, channel], mean, atol=1e-7)


def test_first_layers_that_are_no_convolution_of_colours_are_refused(tmp_path):
    """TResNet folds 4 x 4 pixels into channels before its first convolution, of 48 channels."""
    name = "tresnet_m"
    with torch.device("meta"):
        whole, net = timm.create_model(name), TimmNet(name, 20, size=64)
    state = {key: torch.zeros(value.shape) for key, value in whole.state_dict().items()}
    torch.save(state, tmp_path / "weights.pth")
    with pytest.raises(PipelineError, match=f"the first layer of {name} is no convolution over"):
        net.start_from(str(tmp_path / "weights.pth"))


def test_no_weights_leave_the_network_as_it_is():
    net = TimmNet(RESNET, 3, size=48)
    before = copy.deepcopy(net.state_dict())
    net.start_from("none")
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


def test_files_of_another_network_are_refused(tmp_path, resnet_file):
    state, path = resnet_file
    with pytest.raises(PipelineError, match=r"resnet18.pth: no 'conv_stem.weight' in it, nor \d+"):
        TimmNet(LITE0, 3, size=48).start_from(path)
    torch.save(state | {"conv1.weight": torch.zeros(64, 3, 3, 3)}, tmp_path / "small.pth")
    with pytest.raises(PipelineError, match=r"'conv1.weight' is \(64, 3, 3, 3\), and resnet18 w"):
        TimmNet(RESNET, 3, size=48).start_from(str(tmp_path / "small.pth"))
    broken = state | {"layer2.0.bn1.weight": torch.full((128,), torch.nan)}
    torch.save(broken, tmp_path / "nan.pth")
    with pytest.raises(PipelineError, match="nan.pth: 'layer2.0.bn1.weight' holds what is no numb"):
        TimmNet(RESNET, 3, size=48).start_from(str(tmp_path / "nan.pth"))


def test_imagenet_by_name(monkeypatch, resnet_file):
    """timm's own file of a name; what it cannot download is said in one sentence."""
    state, _ = resnet_file
    create = timm.create_model

    def pretrained(name, pretrained=False, **options):
        if not pretrained:
            return create(name, **options)
        assert (name, options) == (RESNET, {})
        whole = create(name, num_classes=5)
        whole.load_state_dict(state)
        return whole

    monkeypatch.setattr(timm, "create_model", pretrained)
    net = TimmNet(RESNET, 3, size=48)
    net.start_from("imagenet")
    assert torch.equal(net.net.conv1.weight, state["conv1.weight"])

    def offline(name, pretrained=False, **options):
        if not pretrained:
            return create(name, **options)
        raise OSError("no route to https://somewhere/file\nand more")

    monkeypatch.setattr(timm, "create_model", offline)
    with pytest.raises(PipelineError, match="cannot be downloaded .no route to the hub.; set") as e:
        net.start_from("imagenet")
    assert "\n" not in str(e.value) and "://" not in str(e.value)


def test_state_survives_a_file(tmp_path):
    torch.manual_seed(0)
    net, other = TimmNet(LITE0, 20, size=48), TimmNet(LITE0, 20, size=48)
    torch.save(net.state_dict(), tmp_path / "a.pt")
    other.load_state_dict(torch.load(tmp_path / "a.pt", weights_only=True))
    x = torch.randn(1, 20, 48, 48)
    for one, two in zip(net.eval()(x), other.eval()(x), strict=True):
        assert torch.equal(one, two)
    assert {"input_scale", "input_shift"} <= set(net.state_dict())


def test_every_setting_of_batch_norm_is_one_of_the_configs():
    from pipeline.config.shipped import SCHEMA

    words = f"[auto, {', '.join(timm_net.BATCH_NORM)}]"
    assert words in SCHEMA.read_text()
