"""CO2FI against its published sizes and float64 arithmetic of the paper's equations by hand."""

import numpy as np
import pytest
import torch
from model_cases import (
    SMALL,
    UCF101,
    affine,
    check_shared_units,
    count,
    lstm_chain,
    numpy,
    small_co2fi,
)

from pipeline.models.backbones.vgg import VGG16
from pipeline.models.co2fi import CO2FI

PAPER = dict(size=224, side_maps=4, fc1=1024, fc2=1024, hidden=512, dropout=0.5)


def test_co2fi_at_the_size_of_the_paper():
    net = CO2FI(VGG16(3), UCF101, **PAPER).eval()
    with torch.inference_mode():
        output = net(torch.zeros(1, 3, 224, 224))
        group_shapes = [group.shape for group in net.side_map_groups(torch.zeros(1, 3, 224, 224))]
    assert group_shapes == 3 * [(1, 12, 56, 56)]
    assert output.feature.shape == (1, 512) and output.units.shape == (3, 1, UCF101)
    assert output.granularities is None and output.units.isfinite().all()

    channels = [3, 64, 64, 128, 128, *3 * [256], *5 * [512]]
    vgg = sum(
        before * after * 9 + after
        for before, after in zip(channels, [*channels[1:], 512], strict=True)
    )
    side = (256 + 512 + 512) * 12 + 3 * 12
    fc1 = 12 * 56 * 56 * 1024 + 1024
    heads = 1024 * 1024 + 1024 + 1024 * 101 + 101
    units = 4 * 512 * (1024 + 512 + 2)  # torch keeps two biases for each gate
    unit_heads = 512 * 101 + 101
    assert vgg == 14_714_688  # torchvision's vgg16().features
    assert count(net) == vgg + side + 3 * (fc1 + heads + units + unit_heads)


def test_side_map_groups_slice_every_stage_in_order():
    net, maps = small_co2fi(), SMALL["side_maps"]
    with torch.no_grad():
        for stage, side in enumerate(net.side):
            side.weight.zero_()
            side.bias.copy_(
                100 * (stage + 3) + torch.arange(3 * maps)
            )  # 302: the third map of conv3_3
    groups = net.side_map_groups(torch.randn(2, 3, 16, 16).double())
    found = [
        [group[0, channel].unique().tolist() for channel in range(group.shape[1])]
        for group in groups
    ]
    assert found == [
        [[300], [301], [400], [401], [500], [501]],
        [[302], [303], [402], [403], [502], [503]],
        [[304], [305], [404], [405], [504], [505]],
    ]


@pytest.mark.parametrize(
    "granularities, expected",
    [
        (3, [[500, 501], [400, 401, 502, 503], [300, 301, 402, 403, 504, 505]]),
        (2, [[400, 401, 500, 501], [300, 301, 402, 403, 502, 503]]),
        (4, [[500, 501], [502, 503], [400, 401, 504, 505], [300, 301, 402, 403, 506, 507]]),
    ],
)
def test_triangular_groups_have_fewer_and_deeper_stages_the_coarser_they_are(
    granularities, expected
):
    net = small_co2fi(side_connections="triangular", granularities=granularities)
    with torch.no_grad():
        for stage, side in enumerate(net.side):
            side.weight.zero_()
            side.bias.copy_(100 * (stage + 3) + torch.arange(len(side.bias)))
    groups = net.side_map_groups(torch.randn(2, 3, 16, 16).double())
    assert [
        [int(group[0, channel].unique()) for channel in range(group.shape[1])] for group in groups
    ] == expected


def test_triangular_reading_from_maps_to_predictions():
    net = small_co2fi(side_connections="triangular", size=32).eval()
    x = torch.randn(2, 3, 32, 32).double()
    conv3, conv4, conv5 = [
        upsampling(stage.shape[-1], 8)
        @ (
            np.einsum("oc,bchw->bohw", numpy(side.weight)[:, :, 0, 0], numpy(stage))
            + numpy(side.bias)[:, None, None]
        )
        @ upsampling(stage.shape[-1], 8).T
        for stage, side in zip(net.vgg(x), net.side, strict=True)
    ]  # (2, 2, 8, 8), (2, 4, 8, 8), (2, 6, 8, 8)
    groups = [
        conv5[:, :2],
        np.concatenate([conv4[:, :2], conv5[:, 2:4]], 1),
        np.concatenate([conv3, conv4[:, 2:], conv5[:, 4:]], 1),
    ]
    inputs = [
        np.maximum(affine(fc1, group.reshape(2, -1)), 0)
        for fc1, group in zip(net.fc1, groups, strict=True)
    ]
    h, logits = lstm_chain(net.units, net.unit_heads, inputs)
    np.testing.assert_allclose(numpy(net(x).feature), h, atol=1e-12)
    np.testing.assert_allclose(numpy(net(x).units), logits, atol=1e-12)


def test_side_maps_are_upsampled_bilinearly_to_conv3_3():
    net = small_co2fi(size=32)
    x = torch.randn(2, 3, 32, 32).double()
    stages = [numpy(stage) for stage in net.vgg(x)]
    expected = [[], [], []]
    for stage, side in zip(stages, net.side, strict=True):
        weight, bias = numpy(side.weight)[:, :, 0, 0], numpy(side.bias)
        maps = np.einsum("oc,bchw->bohw", weight, stage) + bias[:, None, None]
        spread = upsampling(maps.shape[-1], 8)
        for group, part in zip(
            expected, np.split(spread @ maps @ spread.T, 3, axis=1), strict=True
        ):
            group.append(part)
    for group, parts in zip(net.side_map_groups(x), expected, strict=True):
        np.testing.assert_allclose(numpy(group), np.concatenate(parts, axis=1), atol=1e-12)


def upsampling(small: int, large: int) -> np.ndarray:
    """(large, small) matrix of linear interpolation between pixel centres, edges held."""
    place = np.clip((np.arange(large) + 0.5) * small / large - 0.5, 0, small - 1)
    return np.maximum(0, 1 - np.abs(place[:, None] - np.arange(small)))


def test_co2fi_integrates_coarse_to_fine():
    """Eq. 2: h_1 = F(x_1, 0), h_2 = F(x_2, h_1), h_3 = F(x_3, h_2), and FC1' on every unit."""
    net = small_co2fi().eval()
    x = torch.randn(4, 3, 16, 16).double()
    inputs = [
        np.maximum(affine(fc1, numpy(group.flatten(1))), 0)
        for fc1, group in zip(net.fc1, net.side_map_groups(x), strict=True)
    ]
    h, logits = lstm_chain(net.units, net.unit_heads, inputs)
    output = net(x)
    np.testing.assert_allclose(numpy(output.feature), h, atol=1e-12)
    np.testing.assert_allclose(numpy(output.units), logits, atol=1e-12)


def test_heads_of_the_granularities_are_for_training_only():
    net = small_co2fi()
    x = torch.randn(4, 3, 16, 16).double()
    output = net.train()(x)
    for k, (head, fc1, group) in enumerate(
        zip(net.heads, net.fc1, net.side_map_groups(x), strict=True)
    ):
        hidden = np.maximum(affine(head[0], np.maximum(affine(fc1, numpy(group.flatten(1))), 0)), 0)
        np.testing.assert_allclose(
            numpy(output.granularities[k]), affine(head[-1], hidden), atol=1e-12
        )
    calls = []
    for head in net.heads:
        head.register_forward_hook(lambda *_: calls.append(1))
    evaluated = net.eval()(x)
    assert evaluated.granularities is None and not calls
    torch.testing.assert_close(evaluated.units, output.units)  # dropout is 0 here


def test_dropout_acts_in_training_only():
    net = small_co2fi(dropout=0.5, fc1=64)
    x = torch.randn(2, 3, 16, 16).double()
    assert not torch.equal(net.train()(x).units, net(x).units)
    assert torch.equal(net.eval()(x).units, net(x).units)


@pytest.mark.parametrize("layer", ["fc1", "fc2", "hidden"])
def test_dropout_of_each_layer(layer):
    rates = dict.fromkeys(("fc1", "fc2", "hidden"), 0.0)
    net = small_co2fi(dropout=rates | {layer: 0.5}, fc1=64, fc2=64, hidden=64).train()
    plain = small_co2fi(dropout=rates, fc1=64, fc2=64, hidden=64).train()  # the same weights
    x = torch.randn(2, 3, 16, 16).double()
    found, whole = net(x), plain(x)
    assert torch.equal(found.granularities, whole.granularities) == (layer == "hidden")
    assert torch.equal(found.feature, whole.feature) == (layer != "fc1")
    assert torch.equal(found.units, whole.units) == (layer == "fc2")


@pytest.mark.parametrize("name", ["side", "fc1", "heads", "units", "unit_heads"])
def test_granularities_share_no_parameters(name):
    parts = getattr(small_co2fi(), name)
    assert len(parts) == 3
    pointers = [p.data_ptr() for part in parts for p in part.parameters()]
    assert len(set(pointers)) == len(pointers)


def test_a_unit_acts_on_itself_and_later_units_only():
    net = small_co2fi().eval()
    x = torch.randn(2, 3, 16, 16).double()
    before = net(x).units
    with torch.no_grad():
        net.units[1].weight_ih.mul_(2)
    changed = [not torch.equal(a, b) for a, b in zip(net(x).units, before, strict=True)]
    assert changed == [False, True, True]


def test_shared_units_of_co2fi():
    net = small_co2fi(shared=True)
    x = torch.randn(4, 3, 16, 16).double()
    inputs = [
        np.maximum(affine(fc1, numpy(group.flatten(1))), 0)
        for fc1, group in zip(net.fc1, net.side_map_groups(x), strict=True)
    ]
    _, logits = lstm_chain([net.units[0]] * 3, net.unit_heads, inputs)
    np.testing.assert_allclose(numpy(net(x).units), logits, atol=1e-12)
    check_shared_units(net, lambda net: (net(x).units ** 2).sum())
