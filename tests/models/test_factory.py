"""Networks built from the settings: their sizes at the config's defaults.

These are the paper's sizes where the paper gives them.
"""

import copy
from pathlib import Path

import pytest
import torch
import yaml
from model_cases import SETTINGS, UCF101, count
from torch import nn

from pipeline.config import runs, settings
from pipeline.errors import PipelineError
from pipeline.models import factory
from pipeline.training.losses import joint_loss

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
    """Triangular: groups read 1, 2 and 3 stages; shared: one LSTM unit for three, and for five."""
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


@pytest.mark.parametrize("stream, channels", [("appearance", 3), ("motion", 4)])
def test_a_teacher_of_timm_is_a_classifier_of_its_deepest_maps(stream, channels):
    """Also beside a baseline, whose classes read what both pooled."""
    own = copy.deepcopy(SETTINGS)
    own["teacher"] = {
        "backbone": "resnet18",
        "weights": "none",
        "batch_norm": "auto",
        "dropout": 0.5,
    }
    teacher = factory.teacher(own, stream, 7).eval()
    x = torch.randn(2, channels, 64, 64)
    # ResNet-18 ends in 512 planes of 2 x 2 here.
    means = teacher.vgg(x)[-1].mean(dim=(2, 3))
    assert means.shape == (2, 512) and teacher.hidden_size == 512
    expected = means @ teacher.classes.weight.T + teacher.classes.bias
    torch.testing.assert_close(teacher(x), expected)
    assert teacher.vgg.batch_norm == "batch"
    own["teacher"]["weights"] = "some.pth"
    assert factory.teacher(own, stream, 7).vgg.batch_norm == "frozen"
    own["network"]["kind"] = "direct"
    net = factory.stream_net(own, stream, 7).eval()
    net.beside.load_state_dict(teacher.state_dict())
    found = net(x)
    assert found.feature.shape == (2, 12 + 512) and net.features == 12 + 512
    torch.testing.assert_close(found.feature[:, 12:], means)


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


def test_asyn_over_baselines_fuses_their_hidden_layers():
    own = SETTINGS | {"network": SETTINGS["network"] | {"kind": "baseline"}}
    net = factory.asyn(own, "appearance-to-motion", 7)
    output = net(torch.randn(2, 3, 64, 64), torch.randn(2, 5, 4, 64, 64))
    assert output.units.shape == (5, 2, 7) and output.sequence.feature.shape == (10, 12)
    loss = joint_loss(output, torch.tensor([0, 3]), [], [], [], 2.0, 2.0)
    loss.backward()
    assert all(p.grad is not None for p in net.parameters())


@pytest.mark.parametrize(
    "backbone, stages, size",
    [("resnet18", (128, 256, 512), 224), ("tf_efficientnet_lite0", (40, 112, 320), 112)],
)
def test_other_backbones_carry_co2fi_baselines_and_asyn(backbone, stages, size):
    """Side maps have the stride of the shallowest stage, 8: 28 x 28 at 224, 14 x 14 at 112."""
    own = settings.for_set(CONFIG, "ucf101")
    own["network"] |= {"backbone": backbone, "weights": "some file"}
    own["crops"]["size"] = size
    with torch.device("meta"):
        net = factory.asyn(own, "motion-to-appearance", 101)
        output = net(torch.zeros(2, 20, size, size), torch.zeros(2, 5, 3, size, size))
        assert output.units.shape == (5, 2, 101) and output.sequence.feature.shape == (10, 512)
        maps = net.many.side_map_groups(torch.zeros(2, 3, size, size))
        assert [tuple(group.shape) for group in maps] == [(2, 12, size // 8, size // 8)] * 3
        assert [side.in_channels for side in net.one.side] == list(stages)
        assert net.one.fc1[0].in_features == 12 * (size // 8) ** 2
        for kind, features in (("baseline", stages[-1]), ("direct", stages[-1] + 2048)):
            own["network"]["kind"] = kind
            net = factory.asyn(own, "appearance-to-motion", 101)
            output = net(torch.zeros(2, 3, size, size), torch.zeros(2, 5, 20, size, size))
            assert output.units.shape == (5, 2, 101)
            assert net.one.features == features and output.single.feature.shape == (2, features)


CHOSEN = [
    ("auto", "none", "batch"),
    ("auto", "imagenet", "frozen"),
    ("auto", "file 0123", "frozen"),
    ("partial", "imagenet", "partial"),
    ("frozen", "none", "frozen"),
]


@pytest.mark.parametrize("batch_norm, weights, chosen", CHOSEN)
def test_batch_norm_follows_the_weights_unless_it_is_said(batch_norm, weights, chosen):
    network = {"backbone": "test_efficientnet", "batch_norm": batch_norm, "weights": weights}
    own = SETTINGS | {"network": SETTINGS["network"] | network}
    with torch.device("meta"):
        assert factory.backbone(own, "motion").batch_norm == chosen


def test_sizes_that_are_too_small_are_refused():
    own = SETTINGS | {"crops": {"size": 8}}
    with pytest.raises(PipelineError, match="crops.size 8 is too small: .* to 16 or more"):
        factory.stream_net(own, "motion", 7)
