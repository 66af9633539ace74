"""Networks against their published sizes and hand-written float64 arithmetic of the paper's equations."""

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from torch import nn
from torchvision.models import vgg16

from pipeline.config import runs, settings
from pipeline.data import groups
from pipeline.data.stream import Stream
from pipeline.errors import PipelineError
from pipeline.inference import apply
from pipeline.models import checkpoint, factory
from pipeline.models.asyn import ASYN, Fusion
from pipeline.models.backbones.vgg import VGG16
from pipeline.models.backbones.vgg_weights import TORCHVISION
from pipeline.models.baseline import Baseline
from pipeline.models.cnn_m import CNNM2048
from pipeline.models.co2fi import CO2FI
from pipeline.storage import writer
from pipeline.training import objectives
from pipeline.training.losses import co2fi_loss, joint_loss, stream_loss

UCF101 = 101  # classes
SMALL = dict(size=16, width=1 / 32, side_maps=2, fc1=6, fc2=5, hidden=4, dropout=0.0)
PAPER = dict(size=224, side_maps=4, fc1=1024, fc2=1024, hidden=512, dropout=0.5)
SETTINGS = {
    "stack": 2,
    "crops": {"size": 64},
    "granularities": [5, 3, 1],
    "period": {"instants": 5},
    "teacher": {"width": 1 / 64, "dropout": 0.5},
    "fusion_network": {"hidden": 4, "maps": 1, "dropout": 0.0},
    "loss": {"alpha": [0.1, 0.1, 1.0], "beta": 2.0, "gamma": 2.0},
    "groups": {"missing": "replace"},
    "network": {
        "kind": "co2fi",
        "weights": "none",
        "fc": 12,
        "side_connections": "all",
        "shared": False,
        **{key: SMALL[key] for key in SMALL if key != "size"},
    },
}


def count(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


def numpy(tensor: torch.Tensor) -> np.ndarray:
    return tensor.detach().double().numpy()


def affine(layer: nn.Module, x: np.ndarray) -> np.ndarray:
    return x @ numpy(layer.weight).T + numpy(layer.bias)


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def lstm_unit(
    unit: nn.LSTMCell, x: np.ndarray, h: np.ndarray, c: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """One LSTM unit (Donahue et al., 2015, section 2); torch keeps the gates in the order i, f, g, o."""
    gates = (
        x @ numpy(unit.weight_ih).T
        + numpy(unit.bias_ih)
        + h @ numpy(unit.weight_hh).T
        + numpy(unit.bias_hh)
    )
    i, f, g, o = np.split(gates, 4, axis=1)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(c), c


def lstm_chain(units, heads, inputs: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Eq. 2 and the prediction of each unit: the last h (B, hidden) and the logits (units, B, classes)."""
    h = c = np.zeros((len(inputs[0]), units[0].hidden_size))
    logits = []
    for unit, head, x in zip(units, heads, inputs, strict=True):
        h, c = lstm_unit(unit, x, h, c)
        logits.append(affine(head, h))
    return h, np.stack(logits)


def small_co2fi(channels: int = 3, classes: int = 7, **changes) -> CO2FI:
    torch.manual_seed(3)
    sizes = SMALL | changes
    backbone = VGG16(channels, sizes.pop("width"))
    return CO2FI(backbone, classes, **sizes).double()


def small_asyn(classes: int = 7, instants: int = 5) -> ASYN:
    torch.manual_seed(4)
    fusion = Fusion(
        SMALL["hidden"], classes, hidden=3, instants=instants, maps=2, dropout=0.0
    ).double()
    return ASYN(small_co2fi(3, classes), small_co2fi(4, classes), fusion)


# --- CNN_M_2048


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
    """Krizhevsky et al. (2012), section 3.3: n = 5, k = 2, alpha = 1e-4 (not divided by n), beta = 0.75."""
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


# --- VGG-16


@pytest.fixture(scope="module")
def torchvisions(tmp_path_factory) -> tuple[nn.Sequential, str]:
    """torchvision's convolutions with random weights and biases, and their file under torchvision's names."""
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


# --- CO2FI


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


def separate(module: nn.Module) -> nn.Module:
    """A copy whose LSTM units have parameters of their own, equal ones."""
    copied = copy.deepcopy(module)
    copied.units = nn.ModuleList(copy.deepcopy(unit) for unit in module.units)
    return copied


def check_shared_units(net: nn.Module, criterion) -> None:
    """All units of `net` are one, whose gradient is the sum of those of units apart."""
    apart = separate(net)
    for part in (net, apart):
        criterion(part).backward()
    assert len({id(unit) for unit in net.units}) == 1
    for name, p in net.units[0].named_parameters():
        torch.testing.assert_close(
            p.grad, sum(unit.get_parameter(name).grad for unit in apart.units), msg=name
        )
    assert count(apart) - count(net) == (len(net.units) - 1) * count(net.units[0])


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


def test_shared_units_of_the_fusion():
    torch.manual_seed(0)
    net = Fusion(6, 7, hidden=4, instants=5, maps=2, dropout=0.0, shared=True).double()
    one, many = torch.randn(3, 6).double(), torch.randn(3, 5, 6).double()
    fused = [
        np.maximum(
            np.einsum(
                "mk,kbf->bmf",
                numpy(conv.weight)[:, :, 0],
                np.stack([numpy(one), numpy(many[:, t])]),
            ),
            0,
        )
        for t, conv in enumerate(net.convs)
    ]
    _, logits = lstm_chain([net.units[0]] * 5, net.heads, [x.reshape(3, -1) for x in fused])
    np.testing.assert_allclose(numpy(net(one, many)), logits, atol=1e-12)
    check_shared_units(net, lambda net: (net(one, many) ** 2).sum())


def test_shared_units_are_kept_and_read_back(tmp_path):
    own = SETTINGS | {
        "network": SETTINGS["network"] | {"shared": True},
        "fusion_network": SETTINGS["fusion_network"] | {"shared": True},
    }
    net, fresh = (factory.asyn(own, "motion-to-appearance", 7) for _ in range(2))
    checkpoint.save(tmp_path / "a.pt", net, **ABOUT)
    checkpoint.save(tmp_path / "b.pt", checkpoint.load(tmp_path / "a.pt", fresh, **ABOUT), **ABOUT)
    assert (tmp_path / "a.pt").read_bytes() == (tmp_path / "b.pt").read_bytes()
    for part in (fresh.one, fresh.many, fresh.fusion):
        assert len({p.data_ptr() for unit in part.units for p in unit.parameters()}) == 4


# --- ASYN


def test_fusion():
    """Section 5: K_t is a 1 x 1 convolution over two 1-d maps, its ReLU is read by unit t of an LSTM chain."""
    torch.manual_seed(5)
    net = Fusion(6, 7, hidden=4, instants=5, maps=2, dropout=0.5).double().eval()
    with torch.no_grad():
        for conv in net.convs:
            conv.bias.normal_()
    one, many = torch.randn(3, 6).double(), torch.randn(3, 5, 6).double()
    fused = []
    for t, conv in enumerate(net.convs):
        weight, bias = numpy(conv.weight), numpy(conv.bias)  # (maps, 2, 1), (maps,)
        fused.append(
            np.concatenate(
                [
                    np.maximum(w[0] * numpy(one) + w[1] * numpy(many[:, t]) + b, 0)
                    for w, b in zip(weight, bias, strict=True)
                ],
                axis=1,
            )
        )
    _, logits = lstm_chain(net.units, net.heads, fused)
    np.testing.assert_allclose(numpy(net(one, many)), logits, atol=1e-12)


def test_fusion_shares_no_parameters():
    net = Fusion(6, 7, hidden=4, instants=5)
    pointers = [p.data_ptr() for p in net.parameters()]
    assert (
        len(net.convs) == len(net.units) == len(net.heads) == 5
        and len(set(pointers)) == len(pointers) == 5 * 8
    )


def test_asyn_is_sample_major():
    net = small_asyn().eval()
    one, many = torch.randn(2, 3, 16, 16).double(), torch.randn(2, 5, 4, 16, 16).double()
    output = net(one, many)
    alone = torch.stack(
        [torch.stack([net.many(many[b, t][None]).feature[0] for t in range(5)]) for b in range(2)]
    )
    torch.testing.assert_close(output.sequence.feature, alone.reshape(10, -1))
    torch.testing.assert_close(output.single.feature, net.one(one).feature)
    torch.testing.assert_close(output.units, net.fusion(net.one(one).feature, alone))
    assert output.units.shape == (5, 2, 7)


def test_five_passes_of_the_shared_net_sum_their_gradients():
    """Eq. 6: the T networks of the first stream share weights, so its gradient is the sum of T separate ones."""
    alpha, beta, gamma = [0.1, 0.1, 1.0], 2.0, 2.0
    net = small_asyn().train()
    rng = torch.Generator().manual_seed(6)
    one, many = (
        torch.randn(2, 3, 16, 16, generator=rng).double(),
        torch.randn(2, 5, 4, 16, 16, generator=rng).double(),
    )
    labels = torch.tensor([2, 6])
    groups_one = [torch.randint(7, (2, size), generator=rng) for size in (5, 3, 1)]
    groups_many = [torch.randint(7, (2, 5, size), generator=rng) for size in (5, 3, 1)]
    flat = [group.flatten(0, 1) for group in groups_many]  # (B, T, size) -> (B T, size)
    joint_loss(net(one, many), labels, groups_one, flat, alpha, beta, gamma).backward()

    copies = [copy.deepcopy(net.many) for _ in range(5)]
    first, fusion = copy.deepcopy(net.one), copy.deepcopy(net.fusion)
    for part in (*copies, first, fusion):
        part.zero_grad()
    outputs = [part(many[:, t]) for t, part in enumerate(copies)]
    own = first(one)
    loss = co2fi_loss(own, labels, groups_one, alpha, beta)
    for t, output in enumerate(outputs):
        loss = loss + co2fi_loss(
            output, labels, [group[:, t] for group in groups_many], alpha, beta
        )
    log_p = fusion(own.feature, torch.stack([o.feature for o in outputs], dim=1)).log_softmax(
        -1
    )  # (T, B, N)
    (loss - gamma / 7 * log_p[:, [0, 1], labels].sum(0).mean()).backward()  # Eq. 5
    for name, p in net.many.named_parameters():
        torch.testing.assert_close(
            p.grad, sum(part.get_parameter(name).grad for part in copies), msg=name
        )
    assert [name for name, p in net.many.named_parameters() if not p.grad.any()] == [
        "units.0.weight_hh"
    ]  # h_0 = 0
    for part, separate in ((net.one, first), (net.fusion, fusion)):
        for name, p in part.named_parameters():
            torch.testing.assert_close(p.grad, separate.get_parameter(name).grad, msg=name)


# --- sizes at the config's defaults, the paper's where it gives them

CONFIG = yaml.safe_load((Path(__file__).parents[2] / "config.yaml").read_text())
VGG = 14_714_688  # torchvision's vgg16().features
PLANES = {"appearance": 3, "motion": 20}
OF_PAPER = [("ucf101", 101), ("hmdb51", 51)]


def built(make, name: str, variant: str, *arguments) -> nn.Module:
    """A net of a set's run on the meta device, where shapes cost no arithmetic."""
    with torch.device("meta"):
        return make(runs.for_run(CONFIG, name, runs.Run("split1", variant)), *arguments)


def pixels(*shape: int) -> torch.Tensor:
    return torch.zeros(*shape, 224, 224, device="meta")


def cnn_m_count(planes: int, classes: int) -> int:
    convolutions = [
        planes * 49 * 96 + 96,
        96 * 25 * 256 + 256,
        256 * 9 * 512 + 512,
        2 * (512 * 9 * 512 + 512),
    ]
    return sum(convolutions) + 6 * 6 * 512 * 4096 + 4096 + 4096 * 2048 + 2048 + 2049 * classes


def vgg_count(planes: int) -> int:
    return VGG + (planes - 3) * 9 * 64


def co2fi_count(planes: int, classes: int, granularities: int = 3) -> int:
    side = (256 + 512 + 512 + 3) * granularities * 4
    fc1, fc2, fc3 = 3 * 4 * 56 * 56 * 1024 + 1024, 1024 * 1024 + 1024, 1025 * classes
    unit, fc1_prime = (
        4 * 512 * (1024 + 512 + 2),
        513 * classes,
    )  # four gates; torch keeps two biases for each
    return vgg_count(planes) + side + granularities * (fc1 + fc2 + fc3 + unit + fc1_prime)


def baseline_count(planes: int, classes: int, beside: int = 0) -> int:
    full = 7 * 7 * 512 * 4096 + 4096 + 4096 * 4096 + 4096
    return vgg_count(planes) + full + (4096 + beside + 1) * classes


def fusion_count(features: int, classes: int) -> int:
    return 5 * (2 + 1 + 4 * 512 * (features + 512 + 2) + 513 * classes)


@pytest.mark.parametrize("name, classes", OF_PAPER)
@pytest.mark.parametrize("stream", PLANES)
def test_streams_at_the_size_of_the_paper(name, classes, stream):
    planes = PLANES[stream]
    teacher = built(factory.teacher, name, "complete", stream, classes)
    assert count(teacher) == cnn_m_count(planes, classes) and teacher(pixels(2, planes)).shape == (
        2,
        classes,
    )
    for variant, granularities in (("complete", 3), ("two_granularities", 2)):
        net = built(factory.stream_net, name, variant, stream, classes)
        output = net.train()(pixels(2, planes))
        assert count(net) == co2fi_count(
            planes, classes, granularities
        ) and output.feature.shape == (2, 512)
        assert output.units.shape == output.granularities.shape == (granularities, 2, classes)
        assert net.eval()(pixels(2, planes)).granularities is None
    expected = {
        "baseline": (baseline_count(planes, classes), 4096),
        "direct": (
            baseline_count(planes, classes, 2048) + cnn_m_count(planes, classes),
            4096 + 2048,
        ),
    }
    for variant, (parameters, features) in expected.items():
        net = built(factory.stream_net, name, variant, stream, classes)
        output = net(pixels(2, planes))
        assert count(net) == parameters
        assert output.feature.shape == (2, features) and output.units.shape == (1, 2, classes)


@pytest.mark.parametrize("name, classes", OF_PAPER)
@pytest.mark.parametrize(
    "direction, planes", [("appearance-to-motion", (3, 20)), ("motion-to-appearance", (20, 3))]
)
def test_asyn_at_the_size_of_the_paper(name, classes, direction, planes):
    for variant, stream_count, features in (
        ("complete", co2fi_count, 512),
        ("baseline_asyn5", baseline_count, 4096),
    ):
        net = built(factory.asyn, name, variant, direction, classes)
        assert count(net) == sum(stream_count(each, classes) for each in planes) + fusion_count(
            features, classes
        )
        output = net(pixels(2, planes[0]), pixels(2, 5, planes[1]))
        assert output.units.shape == (5, 2, classes)
        assert (output.single.feature.shape, output.sequence.feature.shape) == (
            (2, features),
            (10, features),
        )


def test_switches_at_the_size_of_the_paper():
    """Triangular: 1, 2 and 3 of the stages; shared: one LSTM unit in place of three, and of five."""
    changed = settings.for_set(CONFIG, "ucf101")
    changed["network"] |= {"side_connections": "triangular", "shared": True}
    changed["fusion_network"]["shared"] = True
    with torch.device("meta"):
        net = factory.asyn(changed, "appearance-to-motion", UCF101)
    fewer = (2 + 1) * (4 * 56 * 56 * 1024) + 4 * (
        2 * 257 + 513
    )  # inputs of FC1, and maps of conv3_3 and conv4_3
    for part, planes in ((net.one, 3), (net.many, 20)):
        assert count(part) == co2fi_count(planes, UCF101) - fewer - 2 * 4 * 512 * (1024 + 512 + 2)
    assert count(net.fusion) == fusion_count(512, UCF101) - 4 * 4 * 512 * (512 + 512 + 2)


# --- gradients reach what they should, and nothing else


def trained(net: nn.Module, loss: torch.Tensor) -> set[str]:
    """The names of the parameters that a loss has a gradient for that is not all 0."""
    net.zero_grad()
    loss.backward()
    return {name for name, p in net.named_parameters() if p.grad is not None and p.grad.any()}


def stream_batch(rng: torch.Generator) -> dict:
    return {
        "input": torch.randint(256, (8, 4, 64, 64), generator=rng),
        "label": torch.arange(8) % 7,
        "groups": torch.stack([torch.randperm(7, generator=rng)[:5] for _ in range(8)]),
    }


FROM_NOTHING = "units.0.weight_hh"  # Phi_1 acts on h_0 = 0 (Eq. 2)


@pytest.mark.parametrize(
    "alpha, heads", [([0.1, 0.1, 1.0], {0, 1, 2}), ([0.0, 0.0, 0.0], set()), ([0.0, 0.1, 0.0], {1})]
)
def test_eq4_trains_all_of_a_stream_and_the_heads_whose_alpha_is_not_0(alpha, heads):
    own = SETTINGS | {"loss": SETTINGS["loss"] | {"alpha": alpha}}
    torch.manual_seed(0)
    net = factory.stream_net(own, "motion", 7).train()
    found = trained(
        net,
        objectives.stream_criterion("motion", own)(
            net, stream_batch(torch.Generator().manual_seed(0))
        ),
    )
    whole = {name for name, _ in net.named_parameters()}
    unused = {
        name for name in whole if name.startswith("heads.") and int(name.split(".")[1]) not in heads
    }
    assert found == whole - unused - {FROM_NOTHING}


@pytest.mark.parametrize("kind", ["baseline", "direct"])
def test_a_baseline_trains_all_but_the_other_nets_own_classes(kind):
    own = SETTINGS | {"network": SETTINGS["network"] | {"kind": kind}}
    torch.manual_seed(0)
    net = factory.stream_net(own, "motion", 7).train()
    found = trained(
        net,
        objectives.stream_criterion("motion", own)(
            net, stream_batch(torch.Generator().manual_seed(0))
        ),
    )
    unused = {"beside.classifier.6.weight", "beside.classifier.6.bias"}  # of direct alone
    assert found == {name for name, _ in net.named_parameters()} - unused


def test_eq5_alone_trains_the_fusion_and_eq6_everything():
    torch.manual_seed(0)
    net = factory.asyn(SETTINGS, "appearance-to-motion", 7).train()
    rng = torch.Generator().manual_seed(0)
    whole = {name for name, _ in net.named_parameters()}
    labels = torch.arange(4)
    features = {
        "one": torch.randn(4, 4, generator=rng),
        "many": torch.randn(4, 5, 4, generator=rng),
        "label": labels,
    }
    alone = trained(net, objectives.fusion_criterion(SETTINGS)(net, features))
    assert alone == {name for name in whole if name.startswith("fusion.")} - {
        f"fusion.{FROM_NOTHING}"
    }
    shapes = {"one": (4, 3, 64, 64), "many": (4, 5, 4, 64, 64)}
    batch = {name: torch.randint(256, shape, generator=rng) for name, shape in shapes.items()}
    ranked = {"groups_one": (4, 5), "groups_many": (4, 5, 5)}
    batch |= {name: torch.randint(7, shape, generator=rng) for name, shape in ranked.items()} | {
        "label": labels
    }
    jointly = trained(
        net, objectives.direction_criterion("appearance-to-motion", SETTINGS)(net, batch)
    )
    assert jointly == whole - {f"{part}.{FROM_NOTHING}" for part in ("one", "many", "fusion")}


def test_the_teacher_stays_as_it_is(tmp_path):
    """Section 4.2: it is fixed. CO2FI gets class numbers from it and no more; it is no part of what is trained."""
    teacher = factory.teacher(SETTINGS, "motion", 7).eval()
    before = copy.deepcopy(teacher.state_dict())
    row = {"clip": "Run/clip", "path": "clip.avi", "sha256": "0", "frames": 10, "shard": "000"}
    fields = np.random.default_rng(0).integers(0, 256, (9, 2, 64, 64)).astype(np.uint8)
    writer.write_shard(
        tmp_path / "000.h5", "flow", [row], lambda row: iter(fields), {}, "test", "test"
    )
    crops = {"frame": [64, 64], "size": 64, "test": 64, "motion": [64], "flip": True}
    stream = Stream("motion", tmp_path, crops, 2, [row])
    (found,) = apply.apply_at_instants(
        {"motion": teacher}, {"motion": stream}, [row], [np.arange(8)], 3, torch.device("cpu")
    )
    logits = found["motion"]
    assert not logits.requires_grad and logits.shape == (8, 7)
    net = factory.stream_net(SETTINGS, "motion", 7).train()
    assert not any(isinstance(part, CNNM2048) for part in net.modules())
    batch = stream_batch(torch.Generator().manual_seed(0)) | {
        "groups": groups.rank(logits, 5).clone()
    }
    objectives.stream_criterion("motion", SETTINGS)(net, batch).backward()
    assert all(p.grad is None for p in teacher.parameters())
    assert all(torch.equal(value, before[name]) for name, value in teacher.state_dict().items())


# --- build


@pytest.mark.parametrize("stream, channels", [("appearance", 3), ("motion", 4)])
def test_build_makes_nets_of_a_stream(stream, channels):
    teacher, net = factory.teacher(SETTINGS, stream, 7), factory.stream_net(SETTINGS, stream, 7)
    assert teacher.features[0].in_channels == net.vgg.stages[0][0].in_channels == channels
    assert teacher(torch.zeros(1, channels, 64, 64)).shape == (1, 7)
    assert net(torch.zeros(1, channels, 64, 64)).granularities.shape == (3, 1, 7)


@pytest.mark.parametrize(
    "direction, channels", [("appearance-to-motion", (3, 4)), ("motion-to-appearance", (4, 3))]
)
def test_build_asyn_of_a_direction(direction, channels):
    net = factory.asyn(SETTINGS, direction, 7)
    assert (net.one.vgg.stages[0][0].in_channels, net.many.vgg.stages[0][0].in_channels) == channels
    assert len(net.fusion.units) == 5 and net.fusion.hidden == 4


ABOUT = {"kind": "co2fi", "set": "ucf101", "split": "split1", "stream": "motion"}


def test_models_are_kept_whole(tmp_path):
    net, fresh = nn.Linear(3, 2), nn.Linear(3, 2)
    checkpoint.save(tmp_path / "a.pt", net, **ABOUT)
    assert checkpoint.load(tmp_path / "a.pt", fresh, **ABOUT) is fresh
    assert torch.equal(net.weight, fresh.weight) and torch.equal(net.bias, fresh.bias)
    assert [path.name for path in tmp_path.iterdir()] == ["a.pt"]


def test_equal_weights_give_equal_bytes(tmp_path):
    net = factory.stream_net(SETTINGS, "motion", 7)
    checkpoint.save(tmp_path / "a.pt", net, **ABOUT)
    checkpoint.save(
        tmp_path / "another name.pt",
        checkpoint.load(tmp_path / "a.pt", factory.stream_net(SETTINGS, "motion", 7)),
        **dict(reversed(ABOUT.items())),
    )
    assert (tmp_path / "a.pt").read_bytes() == (tmp_path / "another name.pt").read_bytes()


@pytest.mark.parametrize("key", ABOUT)
def test_models_of_another_kind_set_split_or_stream_are_refused(tmp_path, key):
    checkpoint.save(tmp_path / "a.pt", nn.Linear(3, 2), **ABOUT)
    with pytest.raises(PipelineError, match="other"):
        checkpoint.load(tmp_path / "a.pt", nn.Linear(3, 2), **ABOUT | {key: "other"})


def row(clip: str, group: str) -> dict:
    return {"clip": f"Archery/{clip}", "group": f"Archery/{group}"}


def test_a_model_refuses_to_score_what_it_was_trained_on(tmp_path):
    trained = [
        row(f"v_g{group:02d}_c{clip:02d}", f"g{group:02d}") for group in (2, 1) for clip in (1, 2)
    ]
    fresh = [row("v_g03_c01", "g03"), row("v_g04_c01", "g04")]
    checkpoint.save(tmp_path / "a.pt", nn.Linear(3, 2), trained, **ABOUT)
    checkpoint.load(tmp_path / "a.pt", nn.Linear(3, 2), fresh, **ABOUT)
    checkpoint.load(tmp_path / "a.pt", nn.Linear(3, 2), **ABOUT)
    with pytest.raises(
        PipelineError, match=r"a\.pt.*'ucf101', split 'split1'.* 1 of the 3 .*: Archery/v_g01_c02;"
    ):
        checkpoint.load(tmp_path / "a.pt", nn.Linear(3, 2), [*fresh, trained[3]], **ABOUT)
    with pytest.raises(
        PipelineError, match=r"v_g01_c09; "
    ):  # another clip of a scene that it knows
        checkpoint.load(
            tmp_path / "a.pt", nn.Linear(3, 2), [*fresh, row("v_g01_c09", "g01")], **ABOUT
        )
    with pytest.raises(
        PipelineError, match=r" 4 of the 4 .*v_g02_c01, Archery/v_g02_c02, Archery/v_g01_c01 \.\.;"
    ):
        checkpoint.load(tmp_path / "a.pt", nn.Linear(3, 2), trained, **ABOUT)


def test_the_order_of_training_clips_leaves_the_bytes(tmp_path):
    rows = [row(f"v_g{number}", f"g{number}") for number in range(9)]
    torch.manual_seed(0)
    net = nn.Linear(3, 2)
    for name, order in (("a", rows), ("b", rows[::-1])):
        checkpoint.save(tmp_path / f"{name}.pt", net, order, **ABOUT)
    assert (tmp_path / "a.pt").read_bytes() == (tmp_path / "b.pt").read_bytes()


@pytest.mark.parametrize(
    "content",
    [None, b"", b"hello", Path("a/pickle"), torch.zeros(3), {}, {"about": "{}", "weights": {}}],
    ids=["missing", "empty", "text", "object", "tensor", "nothing", "no state"],
)
def test_files_that_are_no_models_are_refused(tmp_path, content):
    path = tmp_path / "a.pt"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        torch.save(content, path)
    with pytest.raises(PipelineError, match="not a model"):
        checkpoint.load(path, nn.Linear(3, 2), kind="co2fi")


def test_models_of_another_size_are_refused(tmp_path):
    checkpoint.save(tmp_path / "a.pt", nn.Linear(3, 4), **ABOUT)
    with pytest.raises(PipelineError, match="a.pt"):
        checkpoint.load(tmp_path / "a.pt", nn.Linear(3, 2), **ABOUT)


def test_kaiming_start_keeps_the_scale_of_activations():
    """He et al. (2015): without ImageNet weights, 13 layers neither blow up nor die."""
    torch.manual_seed(0)
    for stage in VGG16(3, 1 / 4)(torch.randn(4, 3, 64, 64)):
        assert 0.1 < np.sqrt((numpy(stage) ** 2).mean()) < 10


# Baselines


def baseline(kind: str, classes: int = 7) -> nn.Module:
    torch.manual_seed(0)
    own = SETTINGS | {"network": SETTINGS["network"] | {"kind": kind}}
    return factory.stream_net(own, "motion", classes)


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
    """138,357,544 parameters for 1000 classes (Simonyan and Zisserman, 2015: 138M), less those of 899 classes."""
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


def test_a_baselines_loss_is_the_log_criterion_its_softmax():
    net = baseline("baseline").train()
    labels = torch.tensor([1, 4, 6])
    output = net(torch.randn(3, 4, 64, 64))
    logits = numpy(output.units[0])
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    expected = -np.log(shares[np.arange(3), labels.numpy()]).mean()
    assert stream_loss(output, labels, [], [], 2.0).item() == pytest.approx(expected, rel=1e-5)


def test_asyn_over_baselines_fuses_their_hidden_layers():
    own = SETTINGS | {"network": SETTINGS["network"] | {"kind": "baseline"}}
    net = factory.asyn(own, "appearance-to-motion", 7)
    output = net(torch.randn(2, 3, 64, 64), torch.randn(2, 5, 4, 64, 64))
    assert output.units.shape == (5, 2, 7) and output.sequence.feature.shape == (10, 12)
    loss = joint_loss(output, torch.tensor([0, 3]), [], [], [], 2.0, 2.0)
    loss.backward()
    assert all(p.grad is not None for p in net.parameters())
